/* What every test of the library begins with. */
#ifndef TESTS_CLIENT_FIXTURE_H
#define TESTS_CLIENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jetplane/jetplane.h>

static inline jp_loop *new_loop(void)
{
    jp_loop *loop;

    assert_int_equal(jp_init(), 0);
    assert_int_equal(jp_loop_create(&loop, 0), 0);
    return loop;
}

static inline void free_loop(jp_loop *loop)
{
    assert_int_equal(jp_loop_free(loop), 0);
    assert_int_equal(jp_finish(), 0);
}

#endif
