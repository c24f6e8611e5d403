	.file	"<string>"
	.section	.rodata.cst4,"aM",@progbits,4
	.p2align	2, 0x0
.LCPI0_0:
	.long	0x43c40000
	.section	.ltext,"axl",@progbits
	.globl	_ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE
	.p2align	4
	.type	_ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE,@function
_ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	pushq	%r15
	.cfi_def_cfa_offset 24
	pushq	%r14
	.cfi_def_cfa_offset 32
	pushq	%r13
	.cfi_def_cfa_offset 40
	pushq	%r12
	.cfi_def_cfa_offset 48
	pushq	%rbx
	.cfi_def_cfa_offset 56
	subq	$56, %rsp
	.cfi_def_cfa_offset 112
	.cfi_offset %rbx, -56
	.cfi_offset %r12, -48
	.cfi_offset %r13, -40
	.cfi_offset %r14, -32
	.cfi_offset %r15, -24
	.cfi_offset %rbp, -16
	movq	144(%rsp), %r12
	movabsq	$NRT_incref, %r15
	movq	%rdi, 48(%rsp)
	movq	%rcx, %rdi
	movq	%r9, %rbp
	movq	%r8, %r13
	movq	%rcx, %r14
	movq	%rdx, %rbx
	movq	%rsi, 40(%rsp)
	movq	$0, 32(%rsp)
	callq	*%r15
	movq	%r12, %rdi
	callq	*%r15
	movq	216(%rsp), %rdi
	callq	*%r15
	testq	%rbx, %rbx
	jle	.LBB0_1
	movabsq	$.LCPI0_0, %rax
	incq	%rbx
	leaq	20(%rsp), %r12
	leaq	32(%rsp), %r15
	vmovss	(%rax), %xmm0
	vmovss	%xmm0, 16(%rsp)
	vxorps	%xmm0, %xmm0, %xmm0
	vmovsd	%xmm0, 8(%rsp)
	jmp	.LBB0_3
	.p2align	4
.LBB0_5:
	vmovss	24(%rsp), %xmm0
	vmovsd	8(%rsp), %xmm1
	decq	%rbx
	vaddss	20(%rsp), %xmm0, %xmm0
	vaddss	28(%rsp), %xmm0, %xmm0
	vcvtss2sd	%xmm0, %xmm0, %xmm0
	vaddsd	%xmm0, %xmm1, %xmm1
	vmovsd	%xmm1, 8(%rsp)
	cmpq	$1, %rbx
	jle	.LBB0_6
.LBB0_3:
	movq	$0, 20(%rsp)
	movl	$0, 28(%rsp)
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	vmovss	24(%rsp), %xmm0
	movq	120(%rsp), %r9
	movq	%r12, %rdi
	movq	%r15, %rsi
	movq	%r14, %rdx
	movq	%r13, %rcx
	movq	%rbp, %r8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	pushq	272(%rsp)
	.cfi_adjust_cfa_offset 8
	movabsq	$_ZN5amsim6binary7kernels13_compute_evenB2v4B134i3fLSUyHBSM8RdiC0oCOAq4EA5NG_2bMkWHFzAkIH6yhbdW9XqRcDUU5yfrK6joJ6cn1dSlJhcAmLnFVeBqbzEPPVaTWC4oyUBqF2I1IYkgJqCEBKwkIeKIKVcsIgmAA_3d_3dE5ArrayItLi1E1C7mutable7alignedEf5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE, %rax
	callq	*%rax
	addq	$160, %rsp
	.cfi_adjust_cfa_offset -160
	cmpl	$-2, %eax
	je	.LBB0_5
	testl	%eax, %eax
	je	.LBB0_5
	movq	32(%rsp), %rcx
	movq	40(%rsp), %rdx
	movq	%rcx, (%rdx)
	jmp	.LBB0_8
.LBB0_1:
	vxorps	%xmm0, %xmm0, %xmm0
	vmovsd	%xmm0, 8(%rsp)
.LBB0_6:
	movq	216(%rsp), %rdi
	movabsq	$NRT_decref, %rbx
	callq	*%rbx
	movq	144(%rsp), %rdi
	callq	*%rbx
	movq	%r14, %rdi
	callq	*%rbx
	vmovsd	8(%rsp), %xmm0
	movq	48(%rsp), %rax
	vmovsd	%xmm0, (%rax)
	xorl	%eax, %eax
.LBB0_8:
	addq	$56, %rsp
	.cfi_def_cfa_offset 56
	popq	%rbx
	.cfi_def_cfa_offset 48
	popq	%r12
	.cfi_def_cfa_offset 40
	popq	%r13
	.cfi_def_cfa_offset 32
	popq	%r14
	.cfi_def_cfa_offset 24
	popq	%r15
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	retq
.Lfunc_end0:
	.size	_ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE, .Lfunc_end0-_ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE
	.cfi_endproc

	.globl	_ZN7cpython8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE
	.p2align	4
	.type	_ZN7cpython8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE,@function
_ZN7cpython8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	pushq	%r15
	.cfi_def_cfa_offset 24
	pushq	%r14
	.cfi_def_cfa_offset 32
	pushq	%r13
	.cfi_def_cfa_offset 40
	pushq	%r12
	.cfi_def_cfa_offset 48
	pushq	%rbx
	.cfi_def_cfa_offset 56
	subq	$552, %rsp
	.cfi_def_cfa_offset 608
	.cfi_offset %rbx, -56
	.cfi_offset %r12, -48
	.cfi_offset %r13, -40
	.cfi_offset %r14, -32
	.cfi_offset %r15, -24
	.cfi_offset %rbp, -16
	leaq	272(%rsp), %rax
	movq	%rsi, %rdi
	movabsq	$.const.B, %rsi
	movabsq	$PyArg_UnpackTuple, %r10
	leaq	296(%rsp), %r8
	leaq	288(%rsp), %r9
	movl	$4, %edx
	movl	$4, %ecx
	movq	%rax, 8(%rsp)
	leaq	280(%rsp), %rax
	movq	%rax, (%rsp)
	xorl	%eax, %eax
	callq	*%r10
	vxorps	%xmm0, %xmm0, %xmm0
	vmovups	%ymm0, 384(%rsp)
	vmovups	%ymm0, 408(%rsp)
	movq	$0, 168(%rsp)
	movq	$0, 176(%rsp)
	testl	%eax, %eax
	je	.LBB1_31
	movabsq	$_ZN08NumbaEnv8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE, %rax
	cmpq	$0, (%rax)
	je	.LBB1_17
	movq	296(%rsp), %rdi
	movabsq	$PyNumber_Long, %rax
	vzeroupper
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_18
	movabsq	$PyLong_AsLongLong, %r15
	movq	%rax, %rbx
	movq	%rbx, %rdi
	callq	*%r15
	movabsq	$Py_DecRef, %r14
	movq	%rbx, %rdi
	movq	%rax, %r13
	callq	*%r14
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	jne	.LBB1_31
.LBB1_4:
	movq	288(%rsp), %rdi
	movabsq	$NRT_adapt_ndarray_from_python, %rbx
	leaq	448(%rsp), %rsi
	vxorps	%xmm0, %xmm0, %xmm0
	vmovups	%ymm0, 448(%rsp)
	vmovups	%ymm0, 472(%rsp)
	vzeroupper
	callq	*%rbx
	testl	%eax, %eax
	jne	.LBB1_19
	cmpq	$2, 472(%rsp)
	jne	.LBB1_19
	movq	480(%rsp), %rax
	movq	488(%rsp), %rcx
	movq	280(%rsp), %rdi
	movq	448(%rsp), %r12
	movq	456(%rsp), %r14
	movq	464(%rsp), %r15
	leaq	304(%rsp), %rsi
	vxorps	%xmm0, %xmm0, %xmm0
	vmovups	%ymm0, 304(%rsp)
	vmovups	%ymm0, 336(%rsp)
	movq	$0, 368(%rsp)
	movq	%rax, 160(%rsp)
	movq	496(%rsp), %rax
	movq	%rcx, 264(%rsp)
	movq	%rax, 256(%rsp)
	vzeroupper
	callq	*%rbx
	cmpq	$4, 328(%rsp)
	setne	%cl
	testl	%eax, %eax
	setne	%bpl
	orb	%cl, %bpl
	jne	.LBB1_21
	testb	%bpl, %bpl
	jne	.LBB1_23
.LBB1_8:
	movq	336(%rsp), %rax
	movq	344(%rsp), %rcx
	movq	352(%rsp), %rdx
	movq	272(%rsp), %rdi
	movq	%r15, 240(%rsp)
	movq	%r14, 248(%rsp)
	movq	304(%rsp), %r15
	movq	312(%rsp), %rbp
	movq	320(%rsp), %r14
	leaq	384(%rsp), %rsi
	vxorps	%xmm0, %xmm0, %xmm0
	vmovups	%ymm0, 384(%rsp)
	vmovups	%ymm0, 408(%rsp)
	movq	%rax, 232(%rsp)
	movq	%rcx, 224(%rsp)
	movq	360(%rsp), %rcx
	movq	368(%rsp), %rax
	movq	%rdx, 216(%rsp)
	movq	%rcx, 208(%rsp)
	movq	%rax, 200(%rsp)
	vzeroupper
	callq	*%rbx
	testl	%eax, %eax
	jne	.LBB1_22
	cmpq	$4, 408(%rsp)
	jne	.LBB1_22
	vmovups	392(%rsp), %xmm0
	vmovaps	416(%rsp), %xmm1
	movq	%rbp, %rbx
	movq	%r13, 184(%rsp)
	movq	384(%rsp), %rbp
	movq	432(%rsp), %r13
	movabsq	$PyEval_SaveThread, %rax
	vmovaps	%xmm0, 528(%rsp)
	vmovaps	%xmm1, 512(%rsp)
	callq	*%rax
	vmovaps	512(%rsp), %xmm0
	movq	%rax, 192(%rsp)
	movq	$0, 168(%rsp)
	movq	%r13, 152(%rsp)
	leaq	168(%rsp), %rdi
	leaq	176(%rsp), %rsi
	vmovups	%xmm0, 136(%rsp)
	vmovaps	528(%rsp), %xmm0
	vmovups	%xmm0, 112(%rsp)
	movq	%r14, 48(%rsp)
	movq	%rbx, 40(%rsp)
	movq	%rbp, 104(%rsp)
	movq	%r15, 32(%rsp)
	movq	$4, 128(%rsp)
	movq	$4, 56(%rsp)
	movq	$2, (%rsp)
	movq	208(%rsp), %rcx
	movq	216(%rsp), %rdx
	movq	200(%rsp), %rax
	movq	248(%rsp), %r8
	movq	240(%rsp), %r9
	movq	%rcx, 88(%rsp)
	movq	%rdx, 80(%rsp)
	movq	224(%rsp), %rcx
	movq	232(%rsp), %rdx
	movq	%rax, 96(%rsp)
	movabsq	$_ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE, %rax
	movq	%rcx, 72(%rsp)
	movq	%rdx, 64(%rsp)
	movq	256(%rsp), %rcx
	movq	264(%rsp), %rdx
	movq	%rcx, 24(%rsp)
	movq	%rdx, 16(%rsp)
	movq	160(%rsp), %rcx
	movq	184(%rsp), %rdx
	movq	%rcx, 8(%rsp)
	movq	%r12, %rcx
	callq	*%rax
	vmovsd	168(%rsp), %xmm0
	movq	192(%rsp), %rdi
	movq	176(%rsp), %r13
	movl	%eax, %r14d
	movabsq	$PyEval_RestoreThread, %rax
	vmovsd	%xmm0, 160(%rsp)
	callq	*%rax
	movabsq	$NRT_decref, %rbx
	movq	%r12, %rdi
	callq	*%rbx
	movq	%r15, %rdi
	callq	*%rbx
	movq	%rbp, %rdi
	callq	*%rbx
	testl	%r14d, %r14d
	jne	.LBB1_13
	vmovsd	160(%rsp), %xmm0
	movabsq	$PyFloat_FromDouble, %rax
	callq	*%rax
.LBB1_12:
	addq	$552, %rsp
	.cfi_def_cfa_offset 56
	popq	%rbx
	.cfi_def_cfa_offset 48
	popq	%r12
	.cfi_def_cfa_offset 40
	popq	%r13
	.cfi_def_cfa_offset 32
	popq	%r14
	.cfi_def_cfa_offset 24
	popq	%r15
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	vzeroupper
	retq
.LBB1_13:
	.cfi_def_cfa_offset 608
	jle	.LBB1_24
	movabsq	$PyErr_Clear, %rax
	callq	*%rax
	movl	8(%r13), %esi
	movq	(%r13), %rdi
	cmpl	$0, 32(%r13)
	jle	.LBB1_27
	movslq	%esi, %rsi
	movabsq	$PyBytes_FromStringAndSize, %rax
	callq	*%rax
	movq	16(%r13), %rdi
	movq	%rax, %rbx
	callq	*24(%r13)
	testq	%rax, %rax
	je	.LBB1_33
	movabsq	$numba_runtime_build_excinfo_struct, %rcx
	movq	%rbx, %rdi
	movq	%rax, %rsi
	callq	*%rcx
	movabsq	$NRT_Free, %r14
	movq	%r13, %rdi
	movq	%rax, %rbx
	callq	*%r14
	jmp	.LBB1_28
.LBB1_17:
	movabsq	$PyExc_RuntimeError, %rdi
	movabsq	$".const.missing Environment: _ZN08NumbaEnv8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE", %rsi
	jmp	.LBB1_20
.LBB1_18:
	xorl	%r13d, %r13d
	movabsq	$PyErr_Occurred, %rax
	callq	*%rax
	testq	%rax, %rax
	je	.LBB1_4
	jmp	.LBB1_31
.LBB1_19:
	movabsq	$PyExc_TypeError, %rdi
	movabsq	$".const.can't unbox array from PyObject into native value.  The object maybe of a different type", %rsi
.LBB1_20:
	movabsq	$PyErr_SetString, %rax
	vzeroupper
	callq	*%rax
	jmp	.LBB1_31
.LBB1_21:
	movabsq	$PyExc_TypeError, %rdi
	movabsq	$".const.can't unbox array from PyObject into native value.  The object maybe of a different type", %rsi
	movabsq	$PyErr_SetString, %rax
	callq	*%rax
	testb	%bpl, %bpl
	je	.LBB1_8
	jmp	.LBB1_23
.LBB1_22:
	movabsq	$PyExc_TypeError, %rdi
	movabsq	$".const.can't unbox array from PyObject into native value.  The object maybe of a different type", %rsi
	movabsq	$PyErr_SetString, %rax
	callq	*%rax
	movabsq	$NRT_decref, %rax
	movq	%r15, %rdi
	callq	*%rax
.LBB1_23:
	movabsq	$NRT_decref, %rax
	movq	%r12, %rdi
	jmp	.LBB1_30
.LBB1_24:
	cmpl	$-3, %r14d
	je	.LBB1_32
	cmpl	$-1, %r14d
	je	.LBB1_31
	movabsq	$PyExc_SystemError, %rdi
	movabsq	$".const.unknown error when calling native function", %rsi
	jmp	.LBB1_20
.LBB1_27:
	movq	16(%r13), %rdx
	movabsq	$numba_unpickle, %rax
	callq	*%rax
	movq	%rax, %rbx
.LBB1_28:
	testq	%rbx, %rbx
	je	.LBB1_31
	movabsq	$numba_do_raise, %rax
	movq	%rbx, %rdi
.LBB1_30:
	callq	*%rax
.LBB1_31:
	xorl	%eax, %eax
	jmp	.LBB1_12
.LBB1_32:
	movabsq	$PyExc_StopIteration, %rdi
	movabsq	$PyErr_SetNone, %rax
	jmp	.LBB1_30
.LBB1_33:
	movabsq	$PyExc_RuntimeError, %rdi
	movabsq	$".const.Error creating Python tuple from runtime exception arguments", %rsi
	jmp	.LBB1_20
.Lfunc_end1:
	.size	_ZN7cpython8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE, .Lfunc_end1-_ZN7cpython8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE
	.cfi_endproc

	.globl	cfunc._ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE
	.p2align	4
	.type	cfunc._ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE,@function
cfunc._ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	pushq	%r14
	.cfi_def_cfa_offset 24
	pushq	%rbx
	.cfi_def_cfa_offset 32
	subq	$192, %rsp
	.cfi_def_cfa_offset 224
	.cfi_offset %rbx, -32
	.cfi_offset %r14, -24
	.cfi_offset %rbp, -16
	vmovups	312(%rsp), %ymm3
	vmovups	344(%rsp), %xmm4
	vmovaps	224(%rsp), %xmm0
	vmovups	240(%rsp), %ymm1
	vmovups	272(%rsp), %ymm2
	movq	%rcx, %rax
	movq	%rdx, %r10
	movq	%rsi, %rcx
	movq	%rdi, %rdx
	movq	360(%rsp), %rdi
	movq	304(%rsp), %rsi
	movq	$0, 176(%rsp)
	movq	$0, 168(%rsp)
	movabsq	$_ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE, %r11
	movq	%rdi, 152(%rsp)
	leaq	176(%rsp), %rdi
	vmovups	%xmm4, 136(%rsp)
	vmovups	%ymm3, 104(%rsp)
	movq	%rsi, 96(%rsp)
	leaq	168(%rsp), %rsi
	vmovups	%ymm2, 64(%rsp)
	vmovups	%ymm1, 32(%rsp)
	vmovups	%xmm0, 16(%rsp)
	movq	%r9, 8(%rsp)
	movq	%r8, (%rsp)
	movq	%r10, %r8
	movq	%rax, %r9
	vzeroupper
	callq	*%r11
	vmovsd	176(%rsp), %xmm0
	movq	168(%rsp), %rbx
	movl	$0, 164(%rsp)
	testl	%eax, %eax
	jne	.LBB2_1
.LBB2_8:
	addq	$192, %rsp
	.cfi_def_cfa_offset 32
	popq	%rbx
	.cfi_def_cfa_offset 24
	popq	%r14
	.cfi_def_cfa_offset 16
	popq	%rbp
	.cfi_def_cfa_offset 8
	retq
.LBB2_1:
	.cfi_def_cfa_offset 224
	movabsq	$numba_gil_ensure, %rcx
	leaq	164(%rsp), %rdi
	vmovsd	%xmm0, 184(%rsp)
	movl	%eax, %ebp
	callq	*%rcx
	testl	%ebp, %ebp
	jle	.LBB2_9
	movabsq	$PyErr_Clear, %rax
	callq	*%rax
	movl	8(%rbx), %esi
	movq	(%rbx), %rdi
	cmpl	$0, 32(%rbx)
	jle	.LBB2_12
	movslq	%esi, %rsi
	movabsq	$PyBytes_FromStringAndSize, %rax
	callq	*%rax
	movq	16(%rbx), %rdi
	movq	%rax, %r14
	callq	*24(%rbx)
	testq	%rax, %rax
	je	.LBB2_4
	movabsq	$numba_runtime_build_excinfo_struct, %rcx
	movq	%r14, %rdi
	movq	%rax, %rsi
	callq	*%rcx
	movabsq	$NRT_Free, %rbp
	movq	%rbx, %rdi
	movq	%rax, %r14
	callq	*%rbp
	jmp	.LBB2_13
.LBB2_9:
	movl	%ebp, %eax
	cmpl	$-3, %ebp
	je	.LBB2_5
	cmpl	$-1, %eax
	je	.LBB2_7
	movabsq	$PyExc_SystemError, %rdi
	movabsq	$".const.unknown error when calling native function.2", %rsi
	movabsq	$PyErr_SetString, %rax
	callq	*%rax
	jmp	.LBB2_7
.LBB2_12:
	movq	16(%rbx), %rdx
	movabsq	$numba_unpickle, %rax
	callq	*%rax
	movq	%rax, %r14
.LBB2_13:
	testq	%r14, %r14
	je	.LBB2_7
	movabsq	$numba_do_raise, %rax
	movq	%r14, %rdi
.LBB2_6:
	callq	*%rax
.LBB2_7:
	movabsq	$".const.<numba.core.cpu.CPUContext>", %rdi
	movabsq	$PyUnicode_FromString, %rax
	callq	*%rax
	movabsq	$PyErr_WriteUnraisable, %r14
	movq	%rax, %rbx
	movq	%rbx, %rdi
	callq	*%r14
	movabsq	$Py_DecRef, %rax
	movq	%rbx, %rdi
	callq	*%rax
	movabsq	$numba_gil_release, %rax
	leaq	164(%rsp), %rdi
	callq	*%rax
	vmovsd	184(%rsp), %xmm0
	jmp	.LBB2_8
.LBB2_5:
	movabsq	$PyExc_StopIteration, %rdi
	movabsq	$PyErr_SetNone, %rax
	jmp	.LBB2_6
.LBB2_4:
	movabsq	$PyExc_RuntimeError, %rdi
	movabsq	$".const.Error creating Python tuple from runtime exception arguments.1", %rsi
	movabsq	$PyErr_SetString, %rax
	callq	*%rax
	vxorps	%xmm0, %xmm0, %xmm0
	jmp	.LBB2_8
.Lfunc_end2:
	.size	cfunc._ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE, .Lfunc_end2-cfunc._ZN8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE
	.cfi_endproc

	.section	.rodata.cst4,"aM",@progbits,4
	.p2align	2, 0x0
.LCPI3_0:
	.long	0x7fffffff
	.section	.ltext,"axl",@progbits
	.weak	_ZN5amsim6binary7kernels13_compute_evenB2v4B134i3fLSUyHBSM8RdiC0oCOAq4EA5NG_2bMkWHFzAkIH6yhbdW9XqRcDUU5yfrK6joJ6cn1dSlJhcAmLnFVeBqbzEPPVaTWC4oyUBqF2I1IYkgJqCEBKwkIeKIKVcsIgmAA_3d_3dE5ArrayItLi1E1C7mutable7alignedEf5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE
	.p2align	4
	.type	_ZN5amsim6binary7kernels13_compute_evenB2v4B134i3fLSUyHBSM8RdiC0oCOAq4EA5NG_2bMkWHFzAkIH6yhbdW9XqRcDUU5yfrK6joJ6cn1dSlJhcAmLnFVeBqbzEPPVaTWC4oyUBqF2I1IYkgJqCEBKwkIeKIKVcsIgmAA_3d_3dE5ArrayItLi1E1C7mutable7alignedEf5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE,@function
_ZN5amsim6binary7kernels13_compute_evenB2v4B134i3fLSUyHBSM8RdiC0oCOAq4EA5NG_2bMkWHFzAkIH6yhbdW9XqRcDUU5yfrK6joJ6cn1dSlJhcAmLnFVeBqbzEPPVaTWC4oyUBqF2I1IYkgJqCEBKwkIeKIKVcsIgmAA_3d_3dE5ArrayItLi1E1C7mutable7alignedEf5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE:
	.cfi_startproc
	subq	$40, %rsp
	.cfi_def_cfa_offset 48
	movq	56(%rsp), %rax
	testq	%rax, %rax
	jle	.LBB3_1
	movq	104(%rsp), %r8
	movq	120(%rsp), %rsi
	movq	176(%rsp), %rcx
	movq	48(%rsp), %rdx
	vmovaps	%xmm0, %xmm11
	vxorps	%xmm8, %xmm8, %xmm8
	vmovss	12(%r8,%rsi,4), %xmm5
	vmovss	(%r8), %xmm6
	vmovss	4(%r8), %xmm13
	vmovss	8(%r8), %xmm10
	vmovss	12(%r8), %xmm9
	vmovss	(%r8,%rsi,4), %xmm1
	vmovss	4(%r8,%rsi,4), %xmm2
	vmovss	8(%r8,%rsi,4), %xmm3
	vmovaps	%xmm5, -112(%rsp)
	cmpq	$8, %rax
	jb	.LBB3_3
	leaq	(%rdx,%rax,2), %r8
	leaq	(%rcx,%rax,4), %rsi
	cmpq	%r8, %rcx
	setb	%r8b
	cmpq	%rsi, %rdx
	setb	%sil
	testb	%sil, %r8b
	je	.LBB3_5
.LBB3_3:
	vxorps	%xmm0, %xmm0, %xmm0
	vmovss	%xmm0, -116(%rsp)
	vmovaps	%xmm6, %xmm14
	vmovaps	%xmm13, %xmm15
	xorl	%esi, %esi
	vmovaps	%xmm1, %xmm0
	vmovaps	%xmm2, %xmm6
	vmovaps	%xmm3, %xmm7
	vxorps	%xmm13, %xmm13, %xmm13
.LBB3_8:
	movq	%rsi, %r8
	orq	$1, %r8
	testb	$1, %al
	je	.LBB3_10
	movzwl	(%rdx,%rsi,2), %r9d
	vmovaps	%xmm5, %xmm2
	vxorps	%xmm4, %xmm4, %xmm4
	vcvtsi2ss	%r9d, %xmm4, %xmm1
	vsubss	%xmm11, %xmm1, %xmm3
	vmovaps	%xmm9, %xmm1
	vfmadd213ss	%xmm10, %xmm3, %xmm1
	vfmadd213ss	%xmm7, %xmm3, %xmm2
	vfmadd213ss	%xmm15, %xmm3, %xmm1
	vfmadd213ss	%xmm6, %xmm3, %xmm2
	vfmadd213ss	%xmm14, %xmm3, %xmm1
	vfmadd213ss	%xmm0, %xmm3, %xmm2
	vmovss	-116(%rsp), %xmm3
	vmovss	%xmm1, (%rcx,%rsi,4)
	movabsq	$.LCPI3_0, %rsi
	vaddss	%xmm1, %xmm13, %xmm13
	vbroadcastss	(%rsi), %xmm4
	movq	%r8, %rsi
	vaddss	%xmm3, %xmm2, %xmm3
	vmovss	%xmm3, -116(%rsp)
	vandps	%xmm4, %xmm2, %xmm2
	vandps	%xmm4, %xmm1, %xmm1
	vaddss	%xmm2, %xmm8, %xmm2
	vaddss	%xmm1, %xmm2, %xmm8
.LBB3_10:
	cmpq	%r8, %rax
	je	.LBB3_13
	movabsq	$.LCPI3_0, %r8
	vmovaps	%xmm0, %xmm3
	vbroadcastss	(%r8), %xmm12
	.p2align	4
.LBB3_12:
	movzwl	(%rdx,%rsi,2), %r8d
	vmovaps	%xmm5, %xmm2
	vmovaps	-112(%rsp), %xmm5
	vmovaps	%xmm9, %xmm4
	vcvtsi2ss	%r8d, %xmm11, %xmm1
	vmovaps	%xmm13, %xmm0
	vmovaps	%xmm9, %xmm13
	vsubss	%xmm11, %xmm1, %xmm1
	vfmadd213ss	%xmm10, %xmm1, %xmm13
	vfmadd213ss	%xmm7, %xmm1, %xmm2
	vfmadd213ss	%xmm15, %xmm1, %xmm13
	vfmadd213ss	%xmm6, %xmm1, %xmm2
	vfmadd213ss	%xmm14, %xmm1, %xmm13
	vfmadd213ss	%xmm3, %xmm1, %xmm2
	vaddss	-116(%rsp), %xmm2, %xmm1
	vmovss	%xmm13, (%rcx,%rsi,4)
	vandps	%xmm2, %xmm12, %xmm2
	movzwl	2(%rdx,%rsi,2), %r8d
	vaddss	%xmm2, %xmm8, %xmm2
	vmovaps	%xmm15, %xmm8
	vmovaps	%xmm14, %xmm15
	vmovaps	%xmm7, %xmm14
	vmovaps	%xmm6, %xmm7
	vmovaps	%xmm3, %xmm6
	vcvtsi2ss	%r8d, %xmm11, %xmm3
	vsubss	%xmm11, %xmm3, %xmm3
	vfmadd213ss	%xmm14, %xmm3, %xmm5
	vfmadd213ss	%xmm10, %xmm3, %xmm4
	vfmadd213ss	%xmm7, %xmm3, %xmm5
	vfmadd213ss	%xmm8, %xmm3, %xmm4
	vfmadd213ss	%xmm6, %xmm3, %xmm5
	vfmadd213ss	%xmm15, %xmm3, %xmm4
	vaddss	%xmm0, %xmm13, %xmm3
	vandps	%xmm12, %xmm13, %xmm0
	vaddss	%xmm1, %xmm5, %xmm1
	vaddss	%xmm3, %xmm4, %xmm13
	vmovaps	%xmm6, %xmm3
	vmovaps	%xmm7, %xmm6
	vmovaps	%xmm14, %xmm7
	vmovaps	%xmm15, %xmm14
	vmovaps	%xmm8, %xmm15
	vmovss	%xmm4, 4(%rcx,%rsi,4)
	addq	$2, %rsi
	vmovss	%xmm1, -116(%rsp)
	vandps	%xmm5, %xmm12, %xmm1
	vmovaps	-112(%rsp), %xmm5
	vaddss	%xmm0, %xmm1, %xmm0
	vandps	%xmm4, %xmm12, %xmm1
	vaddss	%xmm2, %xmm0, %xmm2
	vaddss	%xmm1, %xmm2, %xmm8
	cmpq	%rsi, %rax
	jne	.LBB3_12
	jmp	.LBB3_13
.LBB3_1:
	vxorps	%xmm0, %xmm0, %xmm0
	vxorps	%xmm13, %xmm13, %xmm13
	vmovss	%xmm0, -116(%rsp)
	vxorps	%xmm8, %xmm8, %xmm8
.LBB3_13:
	vmovss	-116(%rsp), %xmm0
	vmovss	%xmm13, (%rdi)
	xorl	%eax, %eax
	vmovss	%xmm0, 4(%rdi)
	vmovss	%xmm8, 8(%rdi)
	addq	$40, %rsp
	.cfi_def_cfa_offset 8
	vzeroupper
	retq
.LBB3_5:
	.cfi_def_cfa_offset 48
	movabsq	$.LCPI3_0, %r9
	vmovaps	%xmm6, (%rsp)
	vbroadcastss	%xmm6, %ymm14
	movabsq	$9223372036854775800, %rsi
	vmovaps	%xmm13, -16(%rsp)
	vbroadcastss	%xmm5, %ymm7
	vbroadcastss	%xmm11, %ymm8
	vbroadcastss	%xmm9, %ymm4
	vbroadcastss	%xmm10, %ymm12
	vbroadcastss	%xmm13, %ymm13
	vmovaps	%xmm3, -96(%rsp)
	vbroadcastss	%xmm3, %ymm0
	vbroadcastss	%xmm2, %ymm3
	vbroadcastss	%xmm1, %ymm5
	vmovaps	%xmm10, -32(%rsp)
	vmovaps	%xmm2, -80(%rsp)
	vmovaps	%xmm1, -64(%rsp)
	vmovaps	%xmm11, 16(%rsp)
	vmovaps	%xmm9, -48(%rsp)
	vxorps	%xmm2, %xmm2, %xmm2
	xorl	%r8d, %r8d
	vxorps	%xmm1, %xmm1, %xmm1
	vxorps	%xmm10, %xmm10, %xmm10
	vbroadcastss	(%r9), %ymm6
	andq	%rax, %rsi
	.p2align	4
.LBB3_6:
	vpmovzxwd	(%rdx,%r8,2), %ymm9
	vmovaps	%ymm7, %ymm15
	vmovaps	%ymm4, %ymm11
	vcvtdq2ps	%ymm9, %ymm9
	vsubps	%ymm8, %ymm9, %ymm9
	vfmadd213ps	%ymm0, %ymm9, %ymm15
	vfmadd213ps	%ymm12, %ymm9, %ymm11
	vfmadd213ps	%ymm3, %ymm9, %ymm15
	vfmadd213ps	%ymm13, %ymm9, %ymm11
	vfmadd213ps	%ymm5, %ymm9, %ymm15
	vfmadd213ps	%ymm14, %ymm9, %ymm11
	vaddps	%ymm1, %ymm15, %ymm1
	vandps	%ymm6, %ymm15, %ymm15
	vandps	%ymm6, %ymm11, %ymm9
	vaddps	%ymm10, %ymm11, %ymm10
	vmovups	%ymm11, (%rcx,%r8,4)
	addq	$8, %r8
	vaddps	%ymm2, %ymm15, %ymm2
	vaddps	%ymm2, %ymm9, %ymm2
	cmpq	%r8, %rsi
	jne	.LBB3_6
	vextractf128	$1, %ymm2, %xmm0
	vmovaps	16(%rsp), %xmm11
	vmovaps	(%rsp), %xmm14
	vmovaps	-16(%rsp), %xmm15
	vmovaps	-48(%rsp), %xmm9
	vmovaps	-80(%rsp), %xmm6
	vmovaps	-96(%rsp), %xmm7
	vmovaps	-112(%rsp), %xmm5
	vaddps	%xmm0, %xmm2, %xmm0
	vshufpd	$1, %xmm0, %xmm0, %xmm2
	vaddps	%xmm2, %xmm0, %xmm0
	vmovshdup	%xmm0, %xmm2
	vaddss	%xmm2, %xmm0, %xmm8
	vextractf128	$1, %ymm1, %xmm0
	vaddps	%xmm0, %xmm1, %xmm0
	vshufpd	$1, %xmm0, %xmm0, %xmm1
	vaddps	%xmm1, %xmm0, %xmm0
	vmovshdup	%xmm0, %xmm1
	vaddss	%xmm1, %xmm0, %xmm0
	vmovss	%xmm0, -116(%rsp)
	vextractf128	$1, %ymm10, %xmm0
	vaddps	%xmm0, %xmm10, %xmm0
	vmovaps	-32(%rsp), %xmm10
	vshufpd	$1, %xmm0, %xmm0, %xmm1
	vaddps	%xmm1, %xmm0, %xmm0
	vmovshdup	%xmm0, %xmm1
	vaddss	%xmm1, %xmm0, %xmm13
	vmovaps	-64(%rsp), %xmm0
	cmpq	%rsi, %rax
	jne	.LBB3_8
	jmp	.LBB3_13
.Lfunc_end3:
	.size	_ZN5amsim6binary7kernels13_compute_evenB2v4B134i3fLSUyHBSM8RdiC0oCOAq4EA5NG_2bMkWHFzAkIH6yhbdW9XqRcDUU5yfrK6joJ6cn1dSlJhcAmLnFVeBqbzEPPVaTWC4oyUBqF2I1IYkgJqCEBKwkIeKIKVcsIgmAA_3d_3dE5ArrayItLi1E1C7mutable7alignedEf5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE, .Lfunc_end3-_ZN5amsim6binary7kernels13_compute_evenB2v4B134i3fLSUyHBSM8RdiC0oCOAq4EA5NG_2bMkWHFzAkIH6yhbdW9XqRcDUU5yfrK6joJ6cn1dSlJhcAmLnFVeBqbzEPPVaTWC4oyUBqF2I1IYkgJqCEBKwkIeKIKVcsIgmAA_3d_3dE5ArrayItLi1E1C7mutable7alignedEf5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE
	.cfi_endproc

	.weak	NRT_incref
	.p2align	4
	.type	NRT_incref,@function
NRT_incref:
	testq	%rdi, %rdi
	je	.LBB4_2
	lock		incq	(%rdi)
.LBB4_2:
	retq
.Lfunc_end4:
	.size	NRT_incref, .Lfunc_end4-NRT_incref

	.weak	NRT_decref
	.p2align	4
	.type	NRT_decref,@function
NRT_decref:
	.cfi_startproc
	testq	%rdi, %rdi
	je	.LBB5_2
	#MEMBARRIER
	lock		decq	(%rdi)
	je	.LBB5_3
.LBB5_2:
	retq
.LBB5_3:
	movabsq	$NRT_MemInfo_call_dtor, %rax
	#MEMBARRIER
	jmpq	*%rax
.Lfunc_end5:
	.size	NRT_decref, .Lfunc_end5-NRT_decref
	.cfi_endproc

	.type	.const.B,@object
	.section	.lrodata,"al",@progbits
.const.B:
	.asciz	"B"
	.size	.const.B, 2

	.type	_ZN08NumbaEnv8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE,@object
	.comm	_ZN08NumbaEnv8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE,8,8
	.type	".const.missing Environment: _ZN08NumbaEnv8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE",@object
	.p2align	4, 0x0
".const.missing Environment: _ZN08NumbaEnv8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE":
	.asciz	"missing Environment: _ZN08NumbaEnv8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE"
	.size	".const.missing Environment: _ZN08NumbaEnv8__main__1BB2v3B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAK4JJIqUWsIgmAA_3d_3dEx5ArrayItLi1E1C7mutable7alignedE5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE", 204

	.type	".const.can't unbox array from PyObject into native value.  The object maybe of a different type",@object
	.p2align	4, 0x0
".const.can't unbox array from PyObject into native value.  The object maybe of a different type":
	.asciz	"can't unbox array from PyObject into native value.  The object maybe of a different type"
	.size	".const.can't unbox array from PyObject into native value.  The object maybe of a different type", 89

	.type	".const.Error creating Python tuple from runtime exception arguments",@object
	.p2align	4, 0x0
".const.Error creating Python tuple from runtime exception arguments":
	.asciz	"Error creating Python tuple from runtime exception arguments"
	.size	".const.Error creating Python tuple from runtime exception arguments", 61

	.type	".const.unknown error when calling native function",@object
	.p2align	4, 0x0
".const.unknown error when calling native function":
	.asciz	"unknown error when calling native function"
	.size	".const.unknown error when calling native function", 43

	.type	".const.Error creating Python tuple from runtime exception arguments.1",@object
	.p2align	4, 0x0
".const.Error creating Python tuple from runtime exception arguments.1":
	.asciz	"Error creating Python tuple from runtime exception arguments"
	.size	".const.Error creating Python tuple from runtime exception arguments.1", 61

	.type	".const.unknown error when calling native function.2",@object
	.p2align	4, 0x0
".const.unknown error when calling native function.2":
	.asciz	"unknown error when calling native function"
	.size	".const.unknown error when calling native function.2", 43

	.type	".const.<numba.core.cpu.CPUContext>",@object
	.p2align	4, 0x0
".const.<numba.core.cpu.CPUContext>":
	.asciz	"<numba.core.cpu.CPUContext>"
	.size	".const.<numba.core.cpu.CPUContext>", 28

	.type	_ZN08NumbaEnv5amsim6binary7kernels13_compute_evenB2v4B134i3fLSUyHBSM8RdiC0oCOAq4EA5NG_2bMkWHFzAkIH6yhbdW9XqRcDUU5yfrK6joJ6cn1dSlJhcAmLnFVeBqbzEPPVaTWC4oyUBqF2I1IYkgJqCEBKwkIeKIKVcsIgmAA_3d_3dE5ArrayItLi1E1C7mutable7alignedEf5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE,@object
	.comm	_ZN08NumbaEnv5amsim6binary7kernels13_compute_evenB2v4B134i3fLSUyHBSM8RdiC0oCOAq4EA5NG_2bMkWHFzAkIH6yhbdW9XqRcDUU5yfrK6joJ6cn1dSlJhcAmLnFVeBqbzEPPVaTWC4oyUBqF2I1IYkgJqCEBKwkIeKIKVcsIgmAA_3d_3dE5ArrayItLi1E1C7mutable7alignedEf5ArrayIfLi2E1C7mutable7alignedE5ArrayIfLi1E1C7mutable7alignedE,8,8
	.section	".note.GNU-stack","",@progbits
