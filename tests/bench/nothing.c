/* SPDX-License-Identifier: MIT */
/* nothing - an empty program: what a start costs anyway. */
int main(void) {
	return 0;
}
