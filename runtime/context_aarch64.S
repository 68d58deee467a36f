/* SPDX-License-Identifier: MIT */
/*
 * The switch for AArch64, AAPCS64: x19 to x30 and the low halves of v8 to v15. See context.h.
 *
 * It leaves by a ret, mispredicted or not: in a plugin that was built with branch protection, where
 * a call returns to is no place to jump to (Arm ARM, BTI).
 */
	.text

/* Those of a suspended context, which lie at sp. */
	.macro load_registers
	ldp	x19, x20, [sp, #0]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #160
	.endm

/* Saves this context at *x0 and goes on in that at x1, but for where; x2 is what its call
 * returns. No flag changes. */
	.macro exchange_contexts
	sub	sp, sp, #160
	.cfi_def_cfa_offset 160
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	.cfi_offset x29, -80
	.cfi_offset x30, -72
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mov	x9, sp
	str	x9, [x0]
	mov	sp, x1
	load_registers
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	mov	x0, x2
	.endm

/* int context_switch(void **save, void *to, int value) */
	.p2align 4
	.globl	context_switch
	.hidden	context_switch
	.type	context_switch, %function
context_switch:
	.cfi_startproc
	hint	#34			/* bti c */
	exchange_contexts
	ret
	.cfi_endproc
	.size	context_switch, . - context_switch

/* int context_switch_alike(void **save, void *to, int value): between two places it gives 0 */
	.p2align 4
	.globl	context_switch_alike
	.hidden	context_switch_alike
	.type	context_switch_alike, %function
context_switch_alike:
	.cfi_startproc
	hint	#34			/* bti c */
	ldr	x9, [x1, #88]		/* where it goes on */
	cmp	x9, x30
	exchange_contexts
	csel	w0, w0, wzr, eq
	ret
	.cfi_endproc
	.size	context_switch_alike, . - context_switch_alike

/* int context_return(int value), void *context_return_pointer(void *value) */
	.p2align 4
	.globl	context_return
	.hidden	context_return
	.type	context_return, %function
	.globl	context_return_pointer
	.hidden	context_return_pointer
	.type	context_return_pointer, %function
context_return:
context_return_pointer:
	.cfi_startproc
	hint	#34			/* bti c */
	ret
	.cfi_endproc
	.size	context_return, . - context_return
	.size	context_return_pointer, . - context_return_pointer

/* void context_end(void *to), context_leave(void *to): no call of an ended context is left to
 * unwind. */
	.p2align 4
	.globl	context_end
	.hidden	context_end
	.type	context_end, %function
	.globl	context_leave
	.hidden	context_leave
	.type	context_leave, %function
context_end:
context_leave:
	.cfi_startproc
	.cfi_undefined x30
	hint	#34			/* bti c */
	mov	sp, x0
	load_registers
	mov	w0, #0
	ret
	.cfi_endproc
	.size	context_end, . - context_end
	.size	context_leave, . - context_leave

/* Where a new context starts: x19 holds its function, x20 to x22 the arguments. Nothing called
 * it. */
	.p2align 4
	.type	context_start, %function
context_start:
	.cfi_startproc
	.cfi_undefined x30
	mov	x29, #0
	mov	x30, #0
	mov	x0, x20
	mov	x1, x21
	mov	x2, x22
	blr	x19
	brk	#1
	.cfi_endproc
	.size	context_start, . - context_start

/* void *context_make(void *top, context_entry *entry, void *self, fn, void *arg) */
	.p2align 4
	.globl	context_make
	.hidden	context_make
	.type	context_make, %function
context_make:
	.cfi_startproc
	hint	#34			/* bti c */
	sub	x0, x0, #160
	adr	x9, context_start
	stp	x1, x2, [x0, #0]	/* x19, x20 */
	stp	x3, x4, [x0, #16]	/* x21, x22 */
	stp	xzr, xzr, [x0, #32]
	stp	xzr, xzr, [x0, #48]
	stp	xzr, xzr, [x0, #64]
	stp	xzr, x9, [x0, #80]	/* x29, x30 */
	stp	xzr, xzr, [x0, #96]
	stp	xzr, xzr, [x0, #112]
	stp	xzr, xzr, [x0, #128]
	stp	xzr, xzr, [x0, #144]
	ret
	.cfi_endproc
	.size	context_make, . - context_make

/* void context_visit(void *sp, void (*visit)(void *), void *argument): says that its caller is
 * the suspended context, whose registers lie at x19. */
	.p2align 4
	.globl	context_visit
	.hidden	context_visit
	.type	context_visit, %function
context_visit:
	.cfi_startproc
	hint	#34			/* bti c */
	stp	x19, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset x19, -16
	.cfi_offset x30, -8
	mov	x19, x0
	mov	x0, x2
	.cfi_remember_state
	.cfi_def_cfa x19, 160
	.cfi_offset x19, -160
	.cfi_offset x20, -152
	.cfi_offset x21, -144
	.cfi_offset x22, -136
	.cfi_offset x23, -128
	.cfi_offset x24, -120
	.cfi_offset x25, -112
	.cfi_offset x26, -104
	.cfi_offset x27, -96
	.cfi_offset x28, -88
	.cfi_offset x29, -80
	.cfi_offset x30, -72
	blr	x1
	nop				/* the call returns into what was said of it */
	.cfi_restore_state
	ldp	x19, x30, [sp], #16
	.cfi_restore x19
	.cfi_restore x30
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	context_visit, . - context_visit

	.section .note.GNU-stack, "", %progbits
