/* SPDX-License-Identifier: MIT */
/*
 * libdw - the part of elfutils' libdw that is used here, loaded when it is needed: names and
 * lines of addresses, and the stacks of another process.
 *
 * Design notes. It is optional when arun runs, and so it is when arun is built: these are
 * its declarations, unchanged since 0.158 (2014). Where its headers are there they are
 * included as well, so that the compiler compares them. The launcher uses it, too: there is
 * nothing of arun in it.
 */
#ifndef LIBDW_H
#define LIBDW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if __has_include(<elfutils/libdwfl.h>)
#include <elfutils/libdwfl.h>
#else
typedef uint64_t GElf_Addr;
typedef uint32_t GElf_Word;
typedef uint64_t Dwarf_Addr;
typedef uint64_t Dwarf_Word;
typedef struct Elf Elf;
typedef struct Dwarf_Files_s Dwarf_Files;
typedef struct Dwarf_Line_s Dwarf_Line;
typedef struct {
	void *addr;
	struct Dwarf_CU *cu;
	struct Dwarf_Abbrev *abbrev;
	long padding__;
} Dwarf_Die;
typedef struct {
	unsigned code, form;
	unsigned char *valp;
	struct Dwarf_CU *cu;
} Dwarf_Attribute;
typedef struct Dwfl Dwfl;
typedef struct Dwfl_Module Dwfl_Module;
typedef struct Dwfl_Line Dwfl_Line;
typedef struct Dwfl_Thread Dwfl_Thread;
typedef struct Dwfl_Frame Dwfl_Frame;
typedef struct {
	int (*find_elf)(Dwfl_Module *module, void **data, const char *name,
		Dwarf_Addr base, char **file, Elf **elf);
	int (*find_debuginfo)(Dwfl_Module *module, void **data, const char *name,
		Dwarf_Addr base, const char *file, const char *link, GElf_Word crc,
		char **found);
	int (*section_address)(Dwfl_Module *module, void **data, const char *name,
		Dwarf_Addr base, const char *section, GElf_Word index, const void *header,
		Dwarf_Addr *address);
	char **debuginfo_path;
} Dwfl_Callbacks;
typedef struct {
	pid_t (*next_thread)(Dwfl *dwfl, void *context, void **thread);
	bool (*get_thread)(Dwfl *dwfl, pid_t tid, void *context, void **thread);
	bool (*memory_read)(
		Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *context);
	bool (*set_initial_registers)(Dwfl_Thread *thread, void *context);
	void (*detach)(Dwfl *dwfl, void *context);
	void (*thread_detach)(Dwfl_Thread *thread, void *context);
} Dwfl_Thread_Callbacks;
#endif

extern Dwfl *dwfl_begin(const Dwfl_Callbacks *callbacks);
extern void dwfl_end(Dwfl *dwfl);
extern int dwfl_linux_proc_report(Dwfl *dwfl, pid_t pid);
extern int dwfl_report_end(Dwfl *dwfl,
	int (*removed)(Dwfl_Module *module, void *data, const char *name, Dwarf_Addr base,
		void *argument),
	void *argument);
extern Dwfl_Module *dwfl_addrmodule(Dwfl *dwfl, Dwarf_Addr address);
extern const char *dwfl_module_addrname(Dwfl_Module *module, GElf_Addr address);
extern const char *dwfl_module_info(Dwfl_Module *module, void ***data, Dwarf_Addr *start,
	Dwarf_Addr *end, Dwarf_Addr *bias, Dwarf_Addr *symbols, const char **file,
	const char **debug);
extern Dwfl_Line *dwfl_module_getsrc(Dwfl_Module *module, Dwarf_Addr address);
extern const char *dwfl_lineinfo(Dwfl_Line *line, Dwarf_Addr *address, int *number,
	int *column, Dwarf_Word *changed, Dwarf_Word *length);
extern const char *dwfl_line_comp_dir(Dwfl_Line *line);
extern int dwfl_linux_proc_find_elf(Dwfl_Module *module, void **data, const char *name,
	Dwarf_Addr base, char **file, Elf **elf);
extern int dwfl_build_id_find_debuginfo(Dwfl_Module *module, void **data,
	const char *name, Dwarf_Addr base, const char *file, const char *link,
	GElf_Word crc, char **found);

/* To climb out of an inlined function. */
extern Dwarf_Die *dwfl_module_addrdie(
	Dwfl_Module *module, Dwarf_Addr address, Dwarf_Addr *bias);
/* Where there are no .debug_aranges: clang writes none. */
extern Dwarf_Die *dwfl_module_nextcu(
	Dwfl_Module *module, Dwarf_Die *last, Dwarf_Addr *bias);
extern int dwarf_haspc(Dwarf_Die *die, Dwarf_Addr pc);
extern Dwarf_Line *dwarf_getsrc_die(Dwarf_Die *unit, Dwarf_Addr address);
extern const char *dwarf_linesrc(
	Dwarf_Line *line, Dwarf_Word *changed, Dwarf_Word *length);
extern int dwarf_lineno(Dwarf_Line *line, int *number);
extern const char *dwarf_formstring(Dwarf_Attribute *attribute);
extern int dwarf_getscopes(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die **scopes);
extern int dwarf_tag(Dwarf_Die *die);
extern Dwarf_Attribute *dwarf_attr(
	Dwarf_Die *die, unsigned name, Dwarf_Attribute *attribute);
extern int dwarf_formudata(Dwarf_Attribute *attribute, Dwarf_Word *value);
extern int dwarf_getsrcfiles(Dwarf_Die *unit, Dwarf_Files **files, size_t *count);
extern const char *dwarf_filesrc(
	Dwarf_Files *files, size_t index, Dwarf_Word *changed, Dwarf_Word *length);

/* To unwind. */
extern bool dwfl_attach_state(Dwfl *dwfl, Elf *elf, pid_t pid,
	const Dwfl_Thread_Callbacks *callbacks, void *context);
extern int dwfl_getthread_frames(Dwfl *dwfl, pid_t tid,
	int (*frame)(Dwfl_Frame *frame, void *argument), void *argument);
extern bool dwfl_thread_state_registers(
	Dwfl_Thread *thread, int first, unsigned count, const Dwarf_Word *registers);
extern void dwfl_thread_state_register_pc(Dwfl_Thread *thread, Dwarf_Word pc);
extern bool dwfl_frame_pc(Dwfl_Frame *frame, Dwarf_Addr *pc, bool *activation);

enum {
	LIBDW_FOLDER = 0x1b,    /* DW_AT_comp_dir */
	LIBDW_INLINED = 0x1d,   /* DW_TAG_inlined_subroutine */
	LIBDW_CALL_FILE = 0x58, /* DW_AT_call_file */
	LIBDW_CALL_LINE = 0x59, /* DW_AT_call_line */
};

#define LIBDW_FUNCTIONS(X)                                                               \
	X(dwfl_begin)                                                                    \
	X(dwfl_end)                                                                      \
	X(dwfl_linux_proc_report)                                                        \
	X(dwfl_report_end)                                                               \
	X(dwfl_addrmodule)                                                               \
	X(dwfl_module_addrname)                                                          \
	X(dwfl_module_getsrc)                                                            \
	X(dwfl_lineinfo)                                                                 \
	X(dwfl_line_comp_dir)                                                            \
	X(dwfl_linux_proc_find_elf)                                                      \
	X(dwfl_build_id_find_debuginfo)                                                  \
	X(dwfl_module_addrdie)                                                           \
	X(dwfl_module_nextcu)                                                            \
	X(dwarf_haspc)                                                                   \
	X(dwarf_getsrc_die)                                                              \
	X(dwarf_linesrc)                                                                 \
	X(dwarf_lineno)                                                                  \
	X(dwarf_formstring)                                                              \
	X(dwarf_getscopes)                                                               \
	X(dwarf_tag)                                                                     \
	X(dwarf_attr)                                                                    \
	X(dwarf_formudata)                                                               \
	X(dwarf_getsrcfiles)                                                             \
	X(dwarf_filesrc)                                                                 \
	X(dwfl_module_info)                                                              \
	X(dwfl_attach_state)                                                             \
	X(dwfl_getthread_frames)                                                         \
	X(dwfl_thread_state_registers)                                                   \
	X(dwfl_thread_state_register_pc)                                                 \
	X(dwfl_frame_pc)

struct libdw {
#define LIBDW_MEMBER(name) __typeof__(name) *name;
	LIBDW_FUNCTIONS(LIBDW_MEMBER)
#undef LIBDW_MEMBER
	Dwfl_Callbacks files;
	Dwfl *session; /* NULL: none */
	/* Of C++; NULL: not looked for yet, or there is none. */
	char *(*demangle)(const char *name, char *buffer, size_t *length, int *status);
	bool demangle_tried;
};

/* Returns whether all of it is there. Never unloaded: other libraries may use it. */
bool libdw_load(struct libdw *libdw);

/*
 * Calls fn(argument) on a thread of its own: libdw takes more of a stack than a task has, and than
 * a small RLIMIT_STACK gives to main(). Signals go to other threads meanwhile. Returns 0, or why
 * there is no thread.
 */
int libdw_call(void *(*fn)(void *argument), void *argument);

/* Opens what a process maps now. Returns whether that succeeded; to be ended in any case. */
bool libdw_begin(struct libdw *libdw, pid_t pid);
void libdw_end(struct libdw *libdw);

/* The unit that address is in; NULL: not known. */
Dwarf_Die *libdw_unit(const struct libdw *libdw, Dwfl_Module *module, Dwarf_Addr address,
	Dwarf_Addr *bias);

/* The name of the function that address is in, as its source has it, or where that may be huge as the
 * linker has it; to be freed. NULL: not known. */
char *libdw_function(struct libdw *libdw, Dwfl_Module *module, Dwarf_Addr address);

/* A line's file, and the folder that the compiler ran in. NULL: not known. */
struct libdw_place {
	const char *file, *folder;
	int line;
};

struct libdw_place libdw_place(
	const struct libdw *libdw, Dwfl_Module *module, Dwarf_Addr address);

/* Its file as the compiler was given it: libdw puts the folder in front. NULL: not known. */
const char *libdw_file(const struct libdw_place *place);

#endif
