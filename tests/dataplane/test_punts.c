/* Hellos on their way to the control plane: whose rate they count against, and where they end. */
#include "handshake.h"
#include "plane.h"

/* Of both types, which nothing here tells apart. */
static void send_hellos(struct client *c, unsigned n, bool cookie)
{
    uint8_t hello[HS_CLIENT_HELLO_LEN] = {[5] = WIRE_VERSION, [46] = cookie ? HS_COOKIE_LEN : 0};

    for (unsigned i = 0; i < n; i++) {
        hello[4] = i % 2 ? WIRE_RESUME_HELLO : WIRE_CLIENT_HELLO;
        client_send_payload(c, hello, sizeof(hello));
    }
    plane_settle(c->plane);
}

/* Neither kind of hello can use up what the other may do. */
static void limits_hellos_with_cookie_apart(void **state)
{
    struct plane *plane = *state;
    unsigned burst = plane->dp.config.punt_burst;
    struct client spoofed = client_new(plane, 1, 0), c = spoofed;

    c.path.peer_ip[15]++; /* of the same prefix */
    send_hellos(&spoofed, burst + 1, false);
    assert_int_equal(plane_count(plane, JP_punt_limited), 1);
    send_hellos(&c, burst, true);
    assert_int_equal(plane_count(plane, JP_punt_limited), 1);
    send_hellos(&spoofed, 1, true);
    assert_int_equal(plane_count(plane, JP_punt_limited), 2);
    plane->now += 60 * UINT64_C(1000000);
    send_hellos(&spoofed, burst + 1, true);
    assert_int_equal(plane_count(plane, JP_punt_limited), 3);
    send_hellos(&c, burst, false);
    assert_int_equal(plane_count(plane, JP_punt_limited), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(limits_hellos_with_cookie_apart, plane_setup,
                                        plane_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
