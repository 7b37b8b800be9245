/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings that were there before the hooks, and a look at all of them now and then. */
#include "uring.h"
#include "exits.h"

SEC("iter/task_file")
int uring_iterator(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct ifl_ring_entry *entry;
	struct io_ring_ctx *ring;

	if (!task || !file || !stands_for_process(task))
		return 0;
	ring = ring_of_file(file);
	if (!ring)
		return 0;
	entry = ring_of(ring);
	if (!entry) {
		new_ring(ring, task, ctx->fd, IFL_CONTEXT_FOUND, bpf_ktime_get_ns(), false);
	} else if (!entry->closed && (entry->ring.fd < 0 || entry->ring.flags & IFL_RING_OWNER_GUESSED) &&
		   (entry->ring.fd < 0 || is_maker(entry, task))) {
		/* A submission was faster, or somebody to whom the maker has given it. */
		entry->ring.fd = ctx->fd;
		take_owner(&entry->ring, task);
		if (is_maker(entry, task))
			entry->ring.flags &= ~IFL_RING_OWNER_GUESSED;
		if (entry->wanted)
			write_ring(entry, IFL_CONTEXT_COUNTERS, bpf_ktime_get_ns());
	}
	return 0;
}

/* A ring that a task uses, whoever made it. */
static __noinline int note_used_ring(struct task_struct *task, __u64 address)
{
	struct io_ring_ctx *ring = (struct io_ring_ctx *)address;

	if (!task || !ring || is_dying(ring) || ring_of(ring))
		return 0;
	new_ring(ring, task, -1, IFL_CONTEXT_FOUND, bpf_ktime_get_ns(), false);
	return 0;
}

/*
 * Rings that no process has a descriptor of: it was closed when the ring had been registered, or there never was one
 * (IORING_SETUP_REGISTERED_FD_ONLY). After uring_iterator, which knows descriptors.
 */
SEC("iter/task")
int uring_task_iterator(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct io_uring_task *tctx;

	if (!task)
		return 0;
	tctx = READ((struct task_struct___uring *)task, io_uring);
	if (!tctx)
		return 0;
	note_used_ring(task, (__u64)READ(tctx, last));
	for (__u32 i = 0; i < REGISTERED_RINGS; i++) {
		struct file *file = NULL;

		bpf_probe_read_kernel(&file, sizeof(file),
				      (void *)tctx + bpf_core_field_offset(struct io_uring_task, registered_rings) +
					  i * sizeof(file));
		if (file)
			note_used_ring(task, (__u64)ring_of_file(file));
	}
	return 0;
}

/* Set by the user side before each survey; the first is 1. */
__u64 survey_number = 0;
/* Set by the user side at the end: each ring is looked at, in as many runs as it takes. */
__u32 survey_all = 0;
/* What the last run did not come to, where it had to stop. */
__u32 survey_left = 0;

/*
 * What one survey may do, in glances at a ring. Reading all of a ring and writing its record costs as much as several,
 * and so do some requests on its list of free ones.
 */
#define GLANCES_PER_SURVEY 2048
#define GLANCES_PER_LOOK 8
#define FREE_REQUESTS_PER_GLANCE 16
/* With no more rings than that, all are looked at in each survey. */
#define RINGS_LOOKED_AT_ALWAYS 64
/*
 * A ring at which nothing happens is looked at in every 64th survey (2^6). One where completions or SQEs wait is looked
 * at in every 8th (2^3).
 */
#define QUIET_MOST 6
#define QUIET_MOST_WAITING 3

struct survey {
	__u32 first; /* where the last one had to stop */
	__u32 rings;
	__u32 glances;
};
/* Where the next survey begins. */
__u32 survey_from = 0;

struct free_walk {
	struct io_wq_work_node *at;
	struct ifl_ring_entry *ring;
	__u64 start_ns;
	__u32 before; /* the survey that looked at this ring before */
	__u32 steps;
};

#define MAX_FREE_REQUESTS 8192

/*
 * What is on the list of free requests has ended, though no event said so. The list is not locked: a request that was
 * just taken from it may lead elsewhere. So it counts only what is there twice, in two surveys in a row, and what was
 * submitted before the first of them.
 */
static long note_free(__u32 index, struct free_walk *walk)
{
	struct io_wq_work_node *at = walk->at;
	struct ifl_uring_entry *entry;
	__u64 state;

	if (!at)
		return 1;
	walk->steps++;
	entry = entry_of((void *)at - bpf_core_field_offset(struct io_kiocb, comp_list));
	walk->at = READ(at, next);
	if (!entry)
		return 0;
	state = ifl_state_of(entry);
	if ((__u32)state != IFL_UENTRY_OPEN || entry->request.submit_ns >= walk->start_ns)
		return 0;
	if (walk->before && entry->on_free_list == walk->before)
		end_unseen_if_still(entry, walk->ring, state, walk->start_ns);
	else
		entry->on_free_list = survey_number;
	return 0;
}

static __always_inline __u32 look_for_ended(struct io_ring_ctx *ctx, struct ifl_ring_entry *ring, __u64 now)
{
	struct free_walk walk = {.ring = ring, .start_ns = now, .before = ring->looked};

	walk.at = READ(ctx, submit_state.free_list.next);
	bpf_loop(MAX_FREE_REQUESTS, note_free, &walk, 0);
	if (bpf_core_field_exists(((struct io_ring_ctx___counted *)0)->locked_free_list)) {
		walk.at = READ((struct io_ring_ctx___counted *)ctx, locked_free_list.first);
		bpf_loop(MAX_FREE_REQUESTS, note_free, &walk, 0);
	}
	return walk.steps / FREE_REQUESTS_PER_GLANCE;
}

/* Changes whenever a hook has seen something of the ring. */
static __always_inline __u64 activity_of(const struct ifl_ring_entry *ring)
{
	return ring->ring.submitted + ring->completed + ring->completed_elsewhere + ring->cqes + ring->ring.overflowed;
}

/* Requests may have ended without an event. */
static __always_inline bool has_unseen_ends(const struct ifl_ring_entry *ring)
{
	__u64 ended = ring->completed - ring->completed_unknown + ring->completed_elsewhere;

	return ring->unseen_ends || (ring->skipping && ring->ring.submitted > ended);
}

/* What the program changes without a call: which completions it has taken, and what it wants to submit. */
static __always_inline bool moved_unseen(const struct ifl_ring_entry *ring, struct io_ring_ctx *ctx)
{
	struct io_rings *rings = READ(ctx, rings);

	return rings && (READ(rings, cq.head) != ring->ring.cq_head || READ(rings, sq.tail) != ring->ring.sq_tail ||
			 (__u32)READ(rings, sq_flags.counter) != ring->ring.sq_flags);
}

static __always_inline bool something_waits(const struct ifl_ring_entry *ring)
{
	return ring->ring.cq_head != ring->ring.cq_tail || ring->ring.sq_head != ring->ring.sq_tail ||
	       ring->ring.workers_bound || ring->ring.workers_unbound || has_unseen_ends(ring);
}

static __always_inline void note_look(struct ifl_ring_entry *ring, const struct survey *survey, bool news)
{
	ring->looked = survey_number;
	ring->activity_seen = activity_of(ring);
	if (news || survey->rings <= RINGS_LOOKED_AT_ALWAYS)
		ring->quiet = 0;
	else if (ring->quiet < (something_waits(ring) ? QUIET_MOST_WAITING : QUIET_MOST))
		ring->quiet++;
	else if (something_waits(ring))
		ring->quiet = QUIET_MOST_WAITING;
}

/* Nobody has it open any more, and its memory may be another's. */
static __always_inline bool has_gone(const struct ifl_ring_entry *ring, struct io_ring_ctx *ctx)
{
	return is_dying(ctx) || (__u64)READ(ctx, mm_account) != ring->mm_account;
}

/* A ring that is closed while we look may have lost its tables before we come to them. */
static __always_inline void count_living(struct ifl_ring_entry *ring, struct io_ring_ctx *ctx)
{
	__u32 files = ring->ring.files, buffers = ring->ring.buffers;

	count_ring(&ring->ring, ctx);
	if (is_dying(ctx)) {
		ring->ring.files = files;
		ring->ring.buffers = buffers;
	}
}

/* Until the kernel has freed it. */
static __always_inline void look_at_left(struct ifl_ring_entry *ring, struct io_ring_ctx *ctx)
{
	if (ring->closed != IFL_RING_BEING_FREED)
		return;
	if (is_being_freed(ctx) && (__u64)READ(ctx, mm_account) == ring->mm_account) {
		ring->ring.in_flight = holds_of(ctx);
		return;
	}
	ring->closed = IFL_RING_CLOSED;
	if (ring->wanted)
		write_ring(ring, IFL_CONTEXT_DESTROYED, bpf_ktime_get_ns());
}

static long survey_ring(__u32 number, struct survey *survey)
{
	__u32 turn = survey->first + number;
	struct ifl_ring_entry *ring;
	struct io_ring_ctx *ctx;
	bool active, news;
	__u64 now;

	if (turn >= survey->rings)
		turn -= survey->rings;
	ring = ring_by_number(turn);
	if (!ring)
		return 0;
	ctx = (struct io_ring_ctx *)ring->ring.ring;
	if (ring->closed) {
		look_at_left(ring, ctx);
		return 0;
	}
	active = !ring->looked || activity_of(ring) != ring->activity_seen;
	if (survey_all ? ring->looked == (__u32)survey_number
		       : !active && (__u32)survey_number - ring->looked < 1u << (ring->quiet & 7))
		return 0;
	if (survey->glances >= GLANCES_PER_SURVEY) {
		survey_from = turn;
		survey_left = survey->rings - number;
		return 1;
	}
	survey->glances++;
	now = bpf_ktime_get_ns();
	if (has_gone(ring, ctx)) {
		close_ring(ring, now);
		/* What was reaped last, if it still stands there; its tables are gone already. */
		if ((__u64)READ(ctx, mm_account) == ring->mm_account && READ(ctx, rings))
			ring->ring.cq_head = READ(ctx, rings, cq.head);
		if (ring->wanted)
			write_ring(ring, IFL_CONTEXT_DESTROYED, now);
		return 0;
	}
	if (!ring->wanted) {
		ring->looked = survey_number;
		return 0;
	}
	news = active || moved_unseen(ring, ctx);
	if (!survey_all && !news && survey->rings > RINGS_LOOKED_AT_ALWAYS && !something_waits(ring)) {
		note_look(ring, survey, false);
		return 0;
	}
	survey->glances += GLANCES_PER_LOOK;
	count_living(ring, ctx);
	count_workers(&ring->ring, ctx);
	if (has_unseen_ends(ring))
		survey->glances += look_for_ended(ctx, ring, now);
	note_look(ring, survey, news);
	write_ring(ring, IFL_CONTEXT_COUNTERS, now);
	return 0;
}

struct exiting {
	__u64 time_ns;
	__u32 pid;
};

static long look_at_rings_of(__u32 number, struct exiting *exiting)
{
	struct ifl_ring_entry *ring = ring_by_number(number);
	struct io_ring_ctx *ctx;

	if (!ring || ring->ring.pid != exiting->pid || ring->closed || !ring->wanted)
		return 0;
	ctx = (struct io_ring_ctx *)ring->ring.ring;
	/* The program has closed it, and no survey has seen that yet: there is nothing left to count. */
	if (has_gone(ring, ctx))
		return 0;
	count_living(ring, ctx);
	write_ring(ring, IFL_CONTEXT_COUNTERS, exiting->time_ns);
	return 0;
}

/* The last look at the rings of a process: its files are closed right after this. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(uring_process_exit, struct task_struct *task)
{
	struct exiting exiting = {.time_ns = bpf_ktime_get_ns(), .pid = process_id_of(task)};

	if (READ((struct task_struct___uring *)task, io_uring) && is_end_of_process(task, EXIT_OF_RINGS))
		bpf_loop(ring_places_used, look_at_rings_of, &exiting, 0);
	return 0;
}

/* Run by the user side, attached to nothing. */
SEC("raw_tp")
int uring_survey(void *ctx)
{
	struct survey survey = {.first = survey_from, .rings = ring_places_used};

	if (survey.rings > RING_PLACES)
		survey.rings = RING_PLACES;
	if (survey.first >= survey.rings)
		survey.first = 0;
	survey_left = 0;
	bpf_loop(survey.rings, survey_ring, &survey, 0);
	return 0;
}
