"""Compile the Triton kernels of Pure-InfSA for GPUs that need not be there, and say what each needs: registers, what spills to memory, matrix instructions.

Writes `nbs/results/kernels.json`; exits with 1 where a kernel spills or has no matrix instruction. Takes some minutes on two cores."""
import argparse, re, subprocess, sys, tempfile
from pathlib import Path

import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from infsa.command import environment, write_json
from infsa.operators import kernels

POINTERS = dict(q='half', k='half', v='half', out='half', dO='half', dq='half', dk='half', dv='half', removed='u8', squares='fp32', sums='fp32', rho='fp32',
                size='fp32', relative='fp32', slope='fp32', last='fp32')
FLOATS = 'scale', 'eps', 'unit'
PROGRAMS = dict(rows=kernels._hop_rows, divide=kernels._divide, keys=kernels._key_slopes, queries=kernels._query_slopes)


def source(fn, constants, half):
    "What a launch would ask for: pointers and strides divisible by 16, neighbours in the last axis."
    signature, constexprs, attrs = {}, {}, {}
    for i, n in enumerate(fn.arg_names):
        if n in constants: signature[n], constexprs[i,] = 'constexpr', constants[n]
        elif n.endswith('_at'):
            signature[n], constexprs[i, 3] = ('i64', 'i64', 'i32', 'constexpr'), 1
            attrs |= {(i, j): [['tt.divisibility', 16]] for j in range(3)}
        elif n in FLOATS: signature[n] = 'fp32'
        elif n in POINTERS:
            signature[n] = '*' + (half if POINTERS[n] == 'half' else POINTERS[n])
            attrs[i,] = [['tt.divisibility', 16]]
        else: signature[n] = 'i32'
    return ASTSource(fn=fn, signature=signature, constexprs=constexprs, attrs=attrs)


def resources(name, width, half, arch, causal, masked):
    "Registers of a thread, bytes that spill, shared memory, matrix instructions."
    kind = 'rows' if name == 'divide' else name
    rows, cols, warps, stages = kernels._plan(kind, width, masked)
    constants = dict(D=width, E=width, TRIANGLE=-int(causal), WIDE=width, ROWS=rows)
    if name == 'divide': constants |= dict(PARTS=128)
    else: constants |= dict(MASKED=masked, PRECISION='tf32', COLS=cols)
    if name == 'divide': constants.pop('D'); warps = 4
    fn = PROGRAMS[name]
    made = triton.compile(source(fn, {k: v for k, v in constants.items() if k in fn.arg_names}, half), target=GPUTarget('cuda', arch, 32),
                          options=dict(num_warps=warps, num_stages=stages))
    tool = Path(triton.__file__).parent/'backends/nvidia/bin/cuobjdump'
    with tempfile.NamedTemporaryFile(suffix='.cubin') as f:
        f.write(made.asm['cubin']); f.flush()
        said = subprocess.run([tool, '--dump-resource-usage', f.name], capture_output=True, text=True, check=True).stdout
    registers, stack, local = (int(re.search(rf'{w}:(\d+)', said)[1]) for w in ('REG', 'STACK', 'LOCAL'))
    return dict(kernel=name, width=width, type=half, arch=arch, causal=causal, masked=masked, rows=rows, cols=cols, warps=warps, stages=stages,
                registers=registers, spilled=stack + local, shared_kib=round(made.metadata.shared/1024, 1),
                wgmma=made.asm['ptx'].count('wgmma.mma_async'), mma=made.asm['ptx'].count('mma.sync'))


def cases(quick):
    for arch in (80, 90):
        for name in PROGRAMS:
            for width in ((64,) if quick else (32, 64, 128, 256)):
                for half in ('bf16',) if quick or width != 64 else ('bf16', 'fp16'):
                    for causal, masked in ((False, False),) if quick else ((False, False), (True, True)): yield name, width, half, arch, causal, masked


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0], epilog='examples:\n  python tools/check_kernels.py\n  python tools/check_kernels.py --quick --out ""',
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--quick', action='store_true', help='one width, bfloat16, without masks')
    p.add_argument('--out', default=str(ROOT/'nbs'/'results'/'kernels.json'), help='file to write; empty: none')
    a = p.parse_args()
    rows, bad = [], 0
    for case in cases(a.quick):
        r = resources(*case)
        rows.append(r)
        # an SM holds 227 KiB (sm_90) or 163 KiB (sm_80) of shared memory for one program
        wrong = r['spilled'] > 0 or r['shared_kib'] > {80: 163, 90: 227}[r['arch']] or r['kernel'] != 'divide' and not r['wgmma'] + r['mma']
        bad += wrong
        print('WRONG' if wrong else 'ok   ', *(f'{k}={v}' for k, v in r.items()), flush=True)
    if a.out: write_json(a.out, dict(command='python tools/check_kernels.py', environment=dict(environment(), triton=triton.__version__), rows=rows))
    print(f'{len(rows)} compiled, {bad} wrong' + (f', in {a.out}' if a.out else ''))
    return bool(bad)


if __name__ == '__main__': sys.exit(main())
