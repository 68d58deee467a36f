# SPDX-License-Identifier: MIT
"""The tasks of a program of arun in gdb: of a process, or of a core file.

Design notes. Nothing of arun's debug information is needed: all starts from arun_layout and
arun_process_run in .dynsym, which strip(1) leaves (see runtime/layout.h). Nothing that is read
is trusted: counts, strings and stacks are bounded, and lists that come back to themselves end.
No register and no byte of the program is written: a suspended task's stack is shown by an
unwinder that puts the task's saved registers where the caller of the innermost frame belongs,
so it works in a core file, too.
"""
