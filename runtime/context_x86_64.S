/* SPDX-License-Identifier: MIT */
/* The switch for x86-64, System V ABI. See context.h. */
	.text

/* Saves this context at *rdi and goes on in that at rsi, but for where; edx is what its call
 * returns. No flag changes. */
	.macro exchange_contexts
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rbp, -16
	.cfi_offset %rbx, -24
	.cfi_offset %r12, -32
	.cfi_offset %r13, -40
	.cfi_offset %r14, -48
	.cfi_offset %r15, -56
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	movq	%rdx, %rax
	.endm

	.macro jump_back
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	jmp	*%rcx
	.endm

/* int context_switch(void **save, void *to, int value) */
	.p2align 6
	.globl	context_switch
	.hidden	context_switch
	.type	context_switch, @function
context_switch:
	.cfi_startproc
	endbr64
	exchange_contexts
	jump_back
	.cfi_endproc
	.size	context_switch, . - context_switch

/* int context_switch_alike(void **save, void *to, int value): between two places it gives 0 */
	.p2align 4
	.globl	context_switch_alike
	.hidden	context_switch_alike
	.type	context_switch_alike, @function
context_switch_alike:
	.cfi_startproc
	endbr64
	movq	48(%rsi), %rcx		/* where it goes on */
	cmpq	(%rsp), %rcx
	exchange_contexts
	.cfi_remember_state
	jne	0f
	ret
0:	.cfi_restore_state
	xorl	%eax, %eax
	jump_back
	.cfi_endproc
	.size	context_switch_alike, . - context_switch_alike

/* int context_return(int value), void *context_return_pointer(void *value) */
	.p2align 4
	.globl	context_return
	.hidden	context_return
	.type	context_return, @function
	.globl	context_return_pointer
	.hidden	context_return_pointer
	.type	context_return_pointer, @function
context_return:
context_return_pointer:
	.cfi_startproc
	endbr64
	movq	%rdi, %rax
	jump_back
	.cfi_endproc
	.size	context_return, . - context_return
	.size	context_return_pointer, . - context_return_pointer

/* All of a suspended context but where it goes on; its call returns 0. */
	.macro go_on_at_rdi
	movq	%rdi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	xorl	%eax, %eax
	.endm

/* void context_end(void *to): no call of an ended context is left to unwind. */
	.p2align 4
	.globl	context_end
	.hidden	context_end
	.type	context_end, @function
context_end:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	go_on_at_rdi
	ret
	.cfi_endproc
	.size	context_end, . - context_end

/* void context_leave(void *to): likewise. */
	.p2align 4
	.globl	context_leave
	.hidden	context_leave
	.type	context_leave, @function
context_leave:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	go_on_at_rdi
	popq	%rcx
	jmp	*%rcx
	.cfi_endproc
	.size	context_leave, . - context_leave

/* Where a new context starts: r12 holds its function, r13 to r15 the arguments. Nothing called
 * it. */
	.p2align 4
	.type	context_start, @function
context_start:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	xorl	%ebp, %ebp
	movq	%r13, %rdi
	movq	%r14, %rsi
	movq	%r15, %rdx
	jmp	*%r12			/* no call: see context_end() */
context_returned:
	ud2
	.cfi_endproc
	.size	context_start, . - context_start

/* void *context_make(void *top, context_entry *entry, void *self, fn, void *arg) */
	.p2align 4
	.globl	context_make
	.hidden	context_make
	.type	context_make, @function
context_make:
	.cfi_startproc
	endbr64
	leaq	-64(%rdi), %rax
	leaq	context_start(%rip), %r9
	movq	%rdx, 16(%rax)	/* r13 */
	movq	%rcx, 8(%rax)	/* r14 */
	leaq	context_returned(%rip), %rcx
	movq	%r8, (%rax)	/* r15 */
	movq	%rsi, 24(%rax)	/* r12 */
	movq	%r9, 48(%rax)	/* where it goes on */
	movq	%rcx, 56(%rax)	/* where the function would return to */
	ret
	.cfi_endproc
	.size	context_make, . - context_make

/* void context_visit(void *sp, void (*visit)(void *), void *argument): says that its caller is
 * the suspended context, whose registers lie at r12. */
	.p2align 4
	.globl	context_visit
	.hidden	context_visit
	.type	context_visit, @function
context_visit:
	.cfi_startproc
	endbr64
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_offset %r12, -16
	movq	%rdi, %r12
	movq	%rdx, %rdi
	.cfi_remember_state
	.cfi_def_cfa %r12, 56
	.cfi_offset %r15, -56
	.cfi_offset %r14, -48
	.cfi_offset %r13, -40
	.cfi_offset %r12, -32
	.cfi_offset %rbx, -24
	.cfi_offset %rbp, -16
	.cfi_offset %rip, -8
	call	*%rsi
	nop			/* the call returns into what was said of it */
	.cfi_restore_state
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	ret
	.cfi_endproc
	.size	context_visit, . - context_visit

	.section .note.GNU-stack, "", @progbits
