#include "rtt.h"

#include "ack.h"

/* Samples stay below 2^31: their differences fit an int32_t. */
static uint32_t clamp_sample(uint64_t us)
{
    return us < 1 ? 1 : us > INT32_MAX ? INT32_MAX : (uint32_t)us;
}

void rtt_init(struct rtt *r)
{
    *r = (struct rtt){.smoothed = RTT_INITIAL_US, .var = RTT_INITIAL_US / 2};
}

void rtt_update(struct rtt *r, uint64_t latest, uint64_t delay)
{
    uint32_t adjusted = r->latest = clamp_sample(latest);

    if (!rtt_known(r)) {
        r->min = r->smoothed = r->latest;
        r->var = r->latest / 2;
        return;
    }
    if (r->latest < r->min)
        r->min = r->latest;
    if (delay > ACK_DELAY_US)
        delay = ACK_DELAY_US;
    if (adjusted >= r->min + delay)
        adjusted -= (uint32_t)delay;

    int32_t error = (int32_t)adjusted - (int32_t)r->smoothed;
    int32_t deviation = error < 0 ? -error : error;

    r->var = (uint32_t)((int32_t)r->var + (deviation - (int32_t)r->var) / 4);
    r->smoothed = (uint32_t)((int32_t)r->smoothed + error / 8);
}

void rtt_forget_min(struct rtt *r)
{
    r->min = r->latest;
}

uint64_t rtt_pto(const struct rtt *r)
{
    uint64_t slack = 4 * (uint64_t)r->var;

    return r->smoothed + (slack > RTT_GRANULARITY_US ? slack : RTT_GRANULARITY_US) + ACK_DELAY_US;
}
