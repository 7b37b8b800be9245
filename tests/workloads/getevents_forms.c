/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_getevents and io_pgetevents in their forms: no time, some time that runs out, no limit; fewer events than asked
 * for, none asked for; a signal; and what is refused. An interrupted io_pgetevents is -ERESTARTNOHAND inside the
 * kernel and EINTR here, so no `ret` is expected of it.
 */
#include "aio.h"

#include <sys/time.h>

static struct io_event events[8];
static aio_context_t ctx;

static void get(long expected, long min_nr, long nr, struct timespec* timeout) {
    long ret = io_getevents(ctx, min_nr, nr, events, timeout);
    CHECK(ret == expected, "io_getevents(min_nr %ld, nr %ld) = %ld, not %ld", min_nr, nr, ret, expected);
}

static void on_alarm(int signal) {
    (void)signal;
}

static void alarm_in_50_ms(void) {
    OS(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 50000}, NULL));
}

int main(int argc, char** argv) {
    start(argc, argv);
    struct timespec zero = {0};
    struct timespec ten_ms = {.tv_nsec = 10000000};
    struct timespec minute = {.tv_sec = 60};
    static struct iocb iocbs[8];
    struct iocb* list[8];
    int ready = ready_eventfd();
    ctx = setup(8);
    get(0, 0, 8, &zero); /* nothing there, no wait */
    get(0, 1, 8, &zero);
    get(0, 1, 8, &ten_ms); /* time runs out */
    get(0, 0, 0, NULL);
    get(0, 0, 8, NULL); /* min_nr 0 never waits */
    for (int i = 0; i < 8; i++) {
        iocbs[i] = prep_poll(ready, POLLIN);
        list[i] = &iocbs[i];
        expect("request user_data=%#llx outcome=completed result=%d reaped=yes", iocbs[i].aio_data, POLLIN);
    }
    CHECK(io_submit(ctx, 8, list) == 8, "io_submit of 8");
    get(-EINVAL, 2, 1, NULL); /* min_nr above nr */
    get(-EINVAL, -1, 1, NULL);
    get(-EINVAL, 0, -1, NULL);
    get(-EFAULT, 1, 1, (struct timespec*)8);
    long ret = io_getevents(ctx, 1, 1, (struct io_event*)8, NULL);
    CHECK(ret == -EFAULT, "io_getevents into nowhere = %ld", ret);
    ret = io_getevents(ctx + 8, 1, 1, events, NULL);
    CHECK(ret == -EINVAL, "io_getevents of no context = %ld", ret);
    get(1, 1, 1, NULL);
    get(2, 1, 2, &zero);
    get(3, 3, 3, &minute);

    sigset_t mask;
    sigemptyset(&mask);
    ret = io_pgetevents(ctx, 1, 1, events, &minute, &mask);
    if (ret == -ENOSYS) {
        skip("this kernel has no io_pgetevents");
    }
    CHECK(ret == 1, "io_pgetevents = %ld", ret);
    get(1, 2, 8, &ten_ms); /* one is there, a second does not come */
    sigaddset(&mask, SIGALRM);
    ret = io_pgetevents(ctx, 1, 8, events, &ten_ms, &mask);
    CHECK(ret == 0, "io_pgetevents of none = %ld", ret);

    alarm(0);
    OS(sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL));
    alarm_in_50_ms();
    get(-EINTR, 1, 1, NULL);
    sigemptyset(&mask);
    alarm_in_50_ms();
    ret = io_pgetevents(ctx, 1, 1, events, NULL, &mask);
    CHECK(ret == -EINTR, "io_pgetevents with a signal = %ld", ret);
    destroy(ctx);
    finish();
}
