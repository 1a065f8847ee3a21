#!/usr/bin/env bash
# Run the tests as if on other processors, on more threads, on a busy machine, with another PyTorch; ends with a table. See --help.
set -uo pipefail
cd "$(dirname "$0")/.."

help() { cat <<'TEXT'
usage: tools/check_portable.sh [--only 'NAME ...'] [--theory] [--torch VERSION] [--workers N] [PAGE or TEST FILE ...]

Runs the tests under each combination and prints a table; the exit code is not 0 if one failed.
A combination is INSTRUCTIONS/KERNELS/THREADS: those of MKL and oneDNN (AVX2, SSE4_2, native), those of PyTorch
(default, avx2, native), and the threads of a task; or it is "busy": native/native/1 beside processes that load all cores.

  --only 'NAME ...'   these combinations; default all nine of --list, with --torch native/native/1
  --list              print the names and stop
  --theory            graphs, operators and the module: 1_theory, 2_operators, 3_models/30*
  --torch VERSION     in an environment of its own, .venv-torch-VERSION, made when it is not there (several GB)
  --workers N         tasks at once; by cores and memory if left out
  PYTHON=...          environment that runs the tests, without --torch; default .venv/bin/python

examples:
  tools/check_portable.sh                                                  everything, more than an hour on two cores
  tools/check_portable.sh --theory --only 'AVX2/avx2/2 SSE4_2/default/1'   what .ci/run does, some minutes
  tools/check_portable.sh --torch 2.11.0 nbs/3_models/30_attention.ipynb               one page on the oldest PyTorch
TEXT
}

fail() { echo "check_portable: $1" >&2; exit 2; }

names=()
for isa in AVX2 SSE4_2; do for kernels in default avx2; do for threads in 1 2; do names+=("$isa/$kernels/$threads"); done; done; done
names+=(busy)
only='' torch='' paths=() options=()
while [ $# -gt 0 ]; do
    case $1 in
        --help|-h) help; exit 0 ;;
        --list) printf '%s\n' "${names[@]}"; exit 0 ;;
        --theory) paths+=(nbs/1_theory/*.ipynb nbs/2_operators/*.ipynb nbs/3_models/30*.ipynb) ;;
        --only|--torch|--workers)
            [ $# -gt 1 ] || fail "$1 needs a value"
            case $1 in --only) only=$2 ;; --torch) torch=$2 ;; --workers) options+=(--workers "$2") ;; esac
            shift ;;
        -*) fail "no such option: $1; see --help" ;;
        *) [ -f "$1" ] || fail "no such file: $1"; paths+=("$1") ;;
    esac
    shift
done
[ -z "$torch" ] || names=(native/native/1)
[ -z "$only" ] || read -ra names <<< "$only"
for name in "${names[@]}"; do
    [[ $name =~ ^((AVX2|SSE4_2|native)/(default|avx2|native)/[1-9][0-9]*|busy)$ ]] || fail "no such combination: $name; see --list"
done

python=${PYTHON:-.venv/bin/python}
if [ -n "$torch" ]; then
    [[ $torch =~ ^2\.([0-9]+)\.([0-9]+)$ ]] || fail "--torch must be a version such as 2.11.0, got $torch"
    venv=.venv-torch-$torch vision=0.$((BASH_REMATCH[1] + 15)).${BASH_REMATCH[2]}  # torchvision counts along, 15 ahead
    if [ ! -e "$venv/installed" ]; then
        echo "installing torch $torch, torchvision $vision and the tools into $venv"
        [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || exit 2
        mapfile -t needs < <("$python" - <<'PY'
from configparser import ConfigParser
ini = ConfigParser(delimiters=['='], interpolation=None)
ini.read('settings.ini', encoding='utf-8')
needs = ' '.join(ini['DEFAULT'][k] for k in ('requirements', 'dev_requirements')).split()
print('\n'.join(n for n in needs if not n.startswith(('torch>', 'torchvision>'))))
print('numpy<2.4')  # the interpreter of Triton before 3.8 does not know newer ones
PY
)
        "$venv/bin/pip" install --quiet --disable-pip-version-check "torch==$torch" "torchvision==$vision" "${needs[@]}" &&
            "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -e . && touch "$venv/installed" || exit 2
    fi
    python=$venv/bin/python
fi
python=$(command -v "$python") || fail "no environment: run make test once, or name one with PYTHON=..."

busy=()
calm() { [ ${#busy[@]} -eq 0 ] || kill "${busy[@]}" 2> /dev/null; busy=(); }
trap calm EXIT

log=$(mktemp)
table=$(printf '%-22s%8s%8s%9s' combination passed failed seconds)
bad=0
for name in "${names[@]}"; do
    isa=native kernels=native threads=1
    if [ "$name" = busy ]; then
        for _ in $(seq "$(nproc)"); do "$python" -c 'while True: pass' & busy+=($!); done
    else IFS=/ read -r isa kernels threads <<< "$name"; fi
    set_to=()
    case $isa in
        AVX2) set_to+=(MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2) ;;
        SSE4_2) set_to+=(MKL_ENABLE_INSTRUCTIONS=SSE4_2 ONEDNN_MAX_CPU_ISA=SSE41) ;;
    esac
    [ "$kernels" = native ] || set_to+=(ATEN_CPU_CAPABILITY="$kernels")
    echo "--- $name${torch:+, torch $torch}"
    begin=$SECONDS
    env "${set_to[@]}" "$python" tools/run_tests.py --threads "$threads" "${options[@]}" "${paths[@]}" 2>&1 | tee "$log"
    calm
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -1)
    counts=${counts:-0 passed, 1 failed}
    passed=${counts%% *} failed=$(sed -E 's/.*, ([0-9]+) failed/\1/' <<< "$counts")
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] || bad=1
    table+=$(printf '\n%-22s%8s%8s%9s' "$name" "$passed" "$failed" $((SECONDS - begin)))
done
rm -f "$log"
echo "$table"
exit $bad
