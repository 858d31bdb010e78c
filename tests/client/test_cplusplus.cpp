// The public headers in C++, used as a program would.
#include <cstdio>

#include <jetplane/jetplane.h>

static void expired(jp_timer *timer)
{
    *static_cast<int *>(jp_loop_extension(jp_timer_loop(timer))) = 42;
    jp_loop_stop(jp_timer_loop(timer));
}

int main()
{
    jp_loop *loop = nullptr;
    jp_timer *timer = nullptr;
    jp_address address;

    if (jp_init() || jp_loop_create(&loop, sizeof(int)) ||
        jp_timer_create(&timer, loop, expired, 0))
        return 1;
    jp_timer_start(timer, 1000, 0);
    jp_loop_run(loop);
    if (*static_cast<int *>(jp_loop_extension(loop)) != 42)
        return 2;
    if (jp_address_parse(&address, "nonsense", 0) != JP_ADDRESS_SYNTAX)
        return 3;
    std::printf("%s\n", jp_error_detail());
    return jp_timer_free(timer) || jp_loop_free(loop) || jp_finish();
}
