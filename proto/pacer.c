#include "pacer.h"

static const uint64_t us_per_s = 1000000;
static const uint64_t idle_us = 60000000; /* pays any debt worth speaking of */

static uint64_t burst(uint64_t rate)
{
    uint64_t bytes = rate * PACER_BURST_US / us_per_s;

    bytes = bytes < PACER_BURST_MIN ? PACER_BURST_MIN : bytes;
    return bytes > PACER_BURST_MAX ? PACER_BURST_MAX : bytes;
}

uint64_t pacer_deadline(const struct pacer *p, uint64_t rate)
{
    uint64_t most = burst(rate);

    if (rate == 0 || p->debt < most)
        return p->at;
    return p->at + ((p->debt - most + 1) * us_per_s + rate - 1) / rate;
}

void pacer_on_sent(struct pacer *p, uint64_t rate, uint32_t bytes, uint64_t now)
{
    uint64_t idle = now - p->at;
    uint64_t paid = rate * (idle < idle_us ? idle : idle_us) / us_per_s;

    p->debt = rate > 0 ? bytes + (p->debt > paid ? p->debt - paid : 0) : 0;
    p->at = now;
}
