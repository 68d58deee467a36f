/* SPDX-License-Identifier: MIT */
/*
 * misspelt - variables of the environment whose names are nearly those that arun reads.
 *
 * Design notes. A warning, no error, and only of these: a plugin has variables of its own, and what
 * runs it sets others (Kubernetes ARUN_PORT, for a service of the name "arun"). None is arun's to
 * refuse, and none of them it could tell from a mistake by more than its name.
 */
#ifndef MISSPELT_H
#define MISSPELT_H

/* Says of each which was meant. */
void misspelt_warn(void);

#endif
