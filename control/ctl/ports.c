/* ports */
#include <stdio.h>

#include "command.h"
#include "print.h"

struct answer ports_fetch(struct arguments *arguments)
{
    return ask(arguments, "ports");
}

static void port_cells(struct table *table, const json_t *port)
{
    static const char *const numbers[] = {"rx_packets", "tx_packets", "rx_missed",
                                          "rx_errors",  "tx_errors",  "rx_nombuf"};
    char text[PRINT_MAX];

    table_cell(table, "%.0f", num(port, "port"));
    table_cell(table, "%s", str(port, "name"));
    table_cell(table, "%s", str(port, "driver"));
    table_cell(table, "%s", str(port, "mac"));
    if (json_is_true(json_object_get(port, "link_up")))
        table_cell(table, "up %.0f Gbit/s", num(port, "speed_mbps") / 1000);
    else
        table_cell(table, "down");
    table_cell(table, "%.0f", num(port, "mtu"));
    table_cell(table, "%.0f", num(port, "queues"));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        table_cell(table, "%s", print_count(text, whole(port, numbers[i])));
    table_cell(table, "%s", str(port, "tier"));
}

void ports_print(const json_t *result, const struct arguments *arguments)
{
    static const char *const heads[] = {"port",       "name",      "driver",    "MAC",
                                        "link",       "MTU",       "queues",    "rx packets",
                                        "tx packets", "rx missed", "rx errors", "tx errors",
                                        "rx no mbuf", "steered by"};
    const json_t *ports = json_object_get(result, "ports"), *port;
    struct table table = table_new("rllllrrrrrrrrl");
    size_t i;

    (void)arguments;
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_cell(&table, "%s", heads[i]);
    json_array_foreach (ports, i, port)
        port_cells(&table, port);
    table_print(&table);
    json_array_foreach (ports, i, port)
        if (str(port, "tier_why")[0])
            printf("port %.0f is steered by %s because: %s\n", num(port, "port"), str(port, "tier"),
                   str(port, "tier_why"));
}
