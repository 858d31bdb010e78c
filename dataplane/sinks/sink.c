#include "sink.h"

#include "session.h"

const struct sink *sink_of(const struct lcore *lc, const struct session *s)
{
    static const struct sink *const sinks[] = {
        [JP_SINK_ECHO] = &sink_echo,
        [JP_SINK_DISCARD] = &sink_discard,
        [JP_SINK_SOURCE] = &sink_source,
    };

    return sinks[lc->dp->config.listener[s->listener].sink];
}
