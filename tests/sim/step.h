/* Sanitizers make the simulator five times slower, and see in every third row of a table, and every
 * third transfer, what there is to see. */
#ifndef TESTS_SIM_STEP_H
#define TESTS_SIM_STEP_H

#ifdef __SANITIZE_ADDRESS__
enum { STEP = 3 };
#else
enum { STEP = 1 };
#endif

#endif
