/* What the control plane may say to the data plane. */
#ifndef TESTS_FUZZ_IPC_H
#define TESTS_FUZZ_IPC_H

#include <stddef.h>

#include "jetplane/ipc.h"

static const struct {
    uint16_t type;
    size_t size;
} to_data_plane[] = {
    {JP_IPC_CONTROL_HELLO, sizeof(struct jp_ipc_control_hello)},
    {JP_IPC_INSTALL, sizeof(struct jp_ipc_install)},
    {JP_IPC_RETIRE, sizeof(struct jp_ipc_retire)},
    {JP_IPC_SEND, sizeof(struct jp_ipc_packet)},
    {JP_IPC_LIST, sizeof(struct jp_ipc_list)},
    {JP_IPC_QUERY, sizeof(struct jp_ipc_query)},
    {JP_IPC_STOP, sizeof(struct jp_ipc_header)},
};

#endif
