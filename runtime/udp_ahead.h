/* SPDX-License-Identifier: MIT */
/*
 * udp_ahead - datagrams that were received before they were asked for.
 *
 * Design notes. Where many wait, eight in a call of recvmmsg(2) save a third of the processor
 * time of each (880 ns to 600 ns on loopback), in spite of the copy; an echo, which also
 * sends, saves a twentieth. There is room for the longest of them, as nobody knows how much
 * the next call takes. Where they come one at a time there is no such room, and no copy.
 */
#ifndef UDP_AHEAD_H
#define UDP_AHEAD_H

#include "base.h"

#include <stdbool.h>
#include <sys/socket.h>

struct udp_ahead;

/* Takes the next one, as recvmsg(2) with MSG_TRUNC has it. Returns its size; -1: there is none;
 * ahead may be NULL. */
ssize_t udp_ahead_take(struct udp_ahead *ahead, struct msghdr *message);

/* Reads what waits at fd, a socket of UDP that does not block, and takes the first; *ahead is
 * made where it is NULL. Nothing may be in it. Returns as recvmsg(2). */
ssize_t udp_ahead_read(struct udp_ahead **ahead, int fd, struct msghdr *message);

bool udp_ahead_empty(const struct udp_ahead *ahead);

/* What is in it is lost. NULL is ignored. */
void udp_ahead_destroy(struct udp_ahead *ahead);

#endif
