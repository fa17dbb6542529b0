// Lets a user-mode-linux 6.1 run on a processor whose register state is larger than it knows.
//
// It keeps 2,696 bytes of XSAVE state for each process (up to AVX-512 and PKRU). A kernel takes
// PTRACE_SETREGSET of NT_X86_XSTATE only with the whole state, which on a processor with AMX is
// 11,008 bytes, and answers EFAULT otherwise: the guest's first process dies. Loaded by LD_PRELOAD,
// this makes the state whole: what the guest doesn't know is marked as unused.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { XSTATE_BV = 512 };               // where the XSAVE header says which parts are in use
static const uint64_t KNOWN = 0x2ff;    // x87, SSE, AVX, MPX, AVX-512, PKRU: the first 2,696 bytes

static long (*next)(int, int, void *, void *);

static long set_whole(int pid, const struct iovec *part) {
    static _Alignas(64) char state[1 << 16];
    static size_t size;
    struct iovec whole = {state, sizeof state};
    if (!size) {
        if (next(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &whole) < 0) return -1;
        size = whole.iov_len;
    }
    if (part->iov_len >= size) return next(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, (void *)part);
    memcpy(state, part->iov_base, part->iov_len);
    memset(state + part->iov_len, 0, size - part->iov_len);
    uint64_t used;
    memcpy(&used, state + XSTATE_BV, sizeof used);
    used &= KNOWN;
    memcpy(state + XSTATE_BV, &used, sizeof used);
    whole.iov_len = size;
    return next(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &whole);
}

long ptrace(enum __ptrace_request request, ...) {
    va_list arguments;
    va_start(arguments, request);
    int pid = va_arg(arguments, int);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);
    if (!next) next = (long (*)(int, int, void *, void *))dlsym(RTLD_NEXT, "ptrace");
    if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) return set_whole(pid, data);
    return next(request, pid, address, data);
}
