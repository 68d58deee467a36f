/* SPDX-License-Identifier: MIT */
/*
 * broker_message - what a worker and its parent say to each other, over a SOCK_SEQPACKET socket.
 *
 * A message begins with its kind. Whoever asks first for a socket opens it as it would alone, so
 * the parent knows nothing of addresses.
 */
#ifndef BROKER_MESSAGE_H
#define BROKER_MESSAGE_H

/* To the parent; the first two have an answer. */
enum broker_question {
	/* NAME: asks for the socket of that name. */
	BROKER_ASK = 'A',
	/* WORDS: has failed like this; asks whether it is to say so. It ends after that. */
	BROKER_SAY = 'S',
	/* PATH: here is the socket that was asked for (SCM_RIGHTS), to be kept; it has made
	 * this file, from the root ("": none). */
	BROKER_KEEP = 'K',
	/* Could not open it: another may try. */
	BROKER_FAILED = 'F',
	/* N/WORD/ONE/MANY: has left so many of a kind open: "2/fd/fd/fds". */
	BROKER_LEFT = 'L',
};

enum broker_answer {
	/* There is no broker, or it is gone, or the plugin has closed the line to it. */
	BROKER_NONE = 0,
	/* Here it is (SCM_RIGHTS). */
	BROKER_HERE = 'H',
	/* There is none: it is to open it, then to send BROKER_KEEP or BROKER_FAILED, for which
	 * the others wait. To BROKER_SAY: it is to say it. */
	BROKER_OPEN = 'O',
	/* There are too many. To BROKER_SAY: another has said that, and ended. */
	BROKER_REFUSED = 'R',
};

#endif
