// SPDX-License-Identifier: MIT
// boost - the same with boost.context (switch: nothing but two switches) and boost.fiber (yield, spawn,
// batch).
#include "../measure.h"

#include <boost/context/detail/fcontext.hpp>
#include <boost/fiber/all.hpp>
#include <memory>
#include <vector>

namespace context = boost::context::detail;
namespace fibers = boost::fibers;

enum { BATCH = 1000, STACK = 64 * 1024 };

static volatile long sink;
static bool over;
alignas(64) static char stack[STACK];
static fibers::pooled_fixedsize_stack stacks(STACK); // its default maps each anew

static void child() {
	sink = sink + 1;
}

static void forever(context::transfer_t transfer) {
	for (;;) {
		transfer = context::jump_fcontext(transfer.fctx, nullptr);
	}
}

static void switch_pair(long count) {
	context::fcontext_t other = context::make_fcontext(stack + STACK, STACK, forever);
	while (count--) {
		other = context::jump_fcontext(other, nullptr).fctx;
	}
}

static void yield_pair(long count) {
	over = false;
	fibers::fiber other([] {
		while (!over) {
			boost::this_fiber::yield();
		}
	});
	while (count--) {
		boost::this_fiber::yield();
	}
	over = true;
	other.join();
}

static void spawn_join(long count) {
	while (count--) {
		fibers::fiber(std::allocator_arg, stacks, child).join();
	}
}

static void spawn_batch(long count) {
	for (; count > 0; count -= BATCH) {
		std::vector<fibers::fiber> all;
		for (int i = 0; i < BATCH; i++) {
			all.emplace_back(std::allocator_arg, stacks, child);
		}
		for (auto &fiber : all) {
			fiber.join();
		}
	}
}

static const struct bench benches[] = {
	{"switch", switch_pair},
	{"yield", yield_pair},
	{"spawn", spawn_join},
	{"batch", spawn_batch},
};

int main(int argc, char **argv) {
	return measure(benches, sizeof benches / sizeof *benches, argc, argv);
}
