/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include "error.h"

#include <elf.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__x86_64__)
#define MACHINE_HERE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE_HERE EM_AARCH64
#else
#error "arun runs on x86-64 and aarch64"
#endif

static const struct {
	uint16_t number;
	const char *name;
	const char *name32; /* of the 32-bit class; NULL: "32-bit " and the name */
} machines[] = {
	{EM_X86_64, "x86-64", "x32"},
	{EM_386, "x86", NULL},
	{EM_AARCH64, "aarch64", NULL},
	{EM_ARM, "ARM", NULL},
	{EM_RISCV, "RISC-V", NULL},
	{EM_PPC64, "PowerPC", NULL},
	{EM_PPC, "PowerPC", NULL},
	{EM_S390, "s390x", "s390"},
	{EM_MIPS, "MIPS", NULL},
	{EM_SPARCV9, "SPARC", NULL},
	{EM_SPARC, "SPARC", NULL},
	{EM_IA_64, "Itanium", NULL},
	{EM_ALPHA, "Alpha", NULL},
	{EM_PARISC, "PA-RISC", NULL},
	{EM_68K, "m68k", "m68k"},
	{EM_SH, "SuperH", "SuperH"},
	{258, "LoongArch", NULL},
	{EM_BPF, "BPF", NULL},
};

static void name_of(uint16_t number, bool wide, char *name, size_t size) {
	const char *prefix = wide ? "" : "32-bit ";
	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
		if (machines[i].number == number && !wide && machines[i].name32) {
			snprintf(name, size, "%s", machines[i].name32);
			return;
		}
		if (machines[i].number == number) {
			snprintf(name, size, "%s%s", prefix, machines[i].name);
			return;
		}
	}
	snprintf(name, size, "%smachine number %u", prefix, number);
}

static int wrong_machine(const char *path, uint16_t number, bool wide, bool big,
	struct loader_error *error) {
	char there[64];
	char here[64];
	name_of(number, wide, there, sizeof there);
	name_of(MACHINE_HERE, true, here, sizeof here);
	/* Some only exist with that byte order: to name it would be noise. */
	bool said = number == EM_S390 || number == EM_SPARC || number == EM_SPARCV9 ||
		    number == EM_68K || number == EM_PARISC;
	return error_set(error, 126, path, ": built for %s%s, this machine is %s",
		big && !said ? "big-endian " : "", there, here);
}

int machine_check(
	const char *path, const unsigned char *header, struct loader_error *error) {
	unsigned char class = header[EI_CLASS];
	unsigned char order = header[EI_DATA];
	unsigned char system = header[EI_OSABI];
	bool big = order == ELFDATA2MSB;
	uint16_t number = (uint16_t)(big ? header[18] << 8 | header[19]
					 : header[19] << 8 | header[18]);

	if ((class != ELFCLASS32 && class != ELFCLASS64) ||
		(order != ELFDATA2LSB && order != ELFDATA2MSB)) {
		return error_set(error, 126, path,
			": is damaged: its ELF header has class %u and byte order %u",
			class, order);
	}
	if (class != ELFCLASS64 || big || number != MACHINE_HERE) {
		return wrong_machine(path, number, class == ELFCLASS64, big, error);
	}
	if (system != ELFOSABI_SYSV && system != ELFOSABI_GNU) {
		return error_set(error, 126, path,
			": built for another system (%s, ELF OS ABI %u), this is Linux",
			system == ELFOSABI_FREEBSD ? "FreeBSD" : "unknown here", system);
	}
	return 0;
}
