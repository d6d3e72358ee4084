#!/usr/bin/env bash
# Makes the environment that everything here runs in: .venv (or .venv-openmmlab) in the repository.
# Calling it again takes two seconds; a half-made or broken environment is repaired, or else made anew.
#
#   tools/setup.sh [--stack onedl|openmmlab]     PYTHON=/path/to/python tools/setup.sh
#
# Order matters. torch goes first and pinned: mmcv compiles against it, and without a pin the newest one
# comes with gigabytes of CUDA libraries of its own. setuptools stays below 81, as the frameworks need
# its pkg_resources. mmcv leaves its compiled ops out unless it is told otherwise.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
stack=onedl
while [ $# -gt 0 ]; do
    case $1 in
        --stack) stack=${2:-}; shift 2 || break ;;
        -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "error: unknown argument $1; wanted: tools/setup.sh [--stack onedl|openmmlab]" >&2; exit 2 ;;
    esac
done

build=('setuptools<81' wheel ninja)
case $stack in
    onedl)
        venv=$root/.venv pythons='3.11 3.12 3.10 3.13' wanted='3.10, 3.11, 3.12 or 3.13'
        torch=(torch==2.13.0) mmcv=onedl-mmcv==2.3.6 minutes=10
        rest=(onedl-mmengine==0.10.12 onedl-mmdetection==3.5.1 onedl-mmsegmentation==1.4.2
              onedl-mmpretrain==1.3.6 onedl-mim==0.5.1 onnx==1.23.2 onnxscript==0.7.2
              onnxruntime==1.31.1)
        # The version that belongs to torch 2.13: a CPU build of torch comes without, and the kernels are tested anyway.
        [ "$(uname -sm)" != 'Linux x86_64' ] || rest+=(triton==3.7.1)
        ;;
    openmmlab)
        venv=$root/.venv-openmmlab pythons='3.10' wanted='3.10 (torch 2.1 and mmcv 2.1 were made for it)'
        torch=(torch==2.1.2 'numpy<2') mmcv=mmcv==2.1.0 minutes=9
        rest=(mmengine==0.10.7 mmdet==3.3.0 mmsegmentation==1.2.2 'opencv-python<4.12' ftfy regex)
        ;;
    *) echo "error: --stack wants onedl or openmmlab, but got '$stack'" >&2; exit 2 ;;
esac
rest+=(torchmetrics PyWavelets pytest pytest-timeout pytest-xdist ruff==0.17.6)
python=$venv/bin/python
log=$venv/setup.log
steps=5 number=0 child=

fail() {
    echo "error: $1" >&2
    exit 1
}

duration() {
    if [ "$1" -lt 90 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}

# step TITLE EXPECTATION COMMAND...: says what runs and how long it takes; the command's words go to the log.
step() {
    local title=$1 expectation=$2 start=$SECONDS said=0
    shift 2
    number=$((number + 1))
    echo "[$number/$steps] $title ($expectation)"
    set -m # a process group of its own, so that an interrupt can end all of it
    "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    set +m
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.2
        if [ $((SECONDS - start - said)) -ge 60 ]; then
            said=$((SECONDS - start))
            echo "      still running after $(duration "$said")"
        fi
    done
    if ! wait "$child"; then
        tail -n 25 "$log" >&2
        fail "'$title' failed; the lines above end the log $log"
    fi
    child=
    echo "      done in $(duration $((SECONDS - start)))"
}
trap '[ -z "$child" ] || kill -- -"$child" 2>/dev/null; exit 130' INT TERM

pip() { "$python" -m pip install --disable-pip-version-check --no-input "$@"; }

find_python() {
    local version candidate candidates
    for version in $pythons; do
        candidates=("python$version" python3 "$HOME"/.pyenv/versions/"$version".*/bin/python3)
        for candidate in "${PYTHON:-${candidates[@]}}"; do
            if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
                # of an environment, which may be the one to be made anew, the Python that it was made with
                "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
                return
            fi
        done
    done
    fail "the $stack stack needs Python $wanted, and none was found on PATH, in ~/.pyenv or in \$PYTHON;
       install one (Debian, Ubuntu: apt-get install python3 python3-venv python3-dev) or set PYTHON to it"
}

# Is what is pinned there, in its version, and do the compiled parts load? In about two seconds.
still_whole() {
    "$python" -I -W ignore - "$root" "${torch[0]}" "$mmcv" "${rest[@]}" 2>/dev/null <<'EOF'
import sys
from importlib.metadata import version
for pin in sys.argv[2:]:
    name, _, wanted = pin.partition('==')
    found = version(name.partition('<')[0])
    if wanted and found.partition('+')[0] != wanted:
        sys.exit(f'{name} is {found}, wanted {wanted}')
import cv2, torch, mmcv._ext, freqfusion_mm
sys.exit(freqfusion_mm.__file__ != sys.argv[1] + '/freqfusion_mm/__init__.py')
EOF
}

make_venv() {
    local base
    base=$(find_python)
    "$base" -c 'import venv, ensurepip' 2>/dev/null || fail "$base lacks the venv module;
       install it (Debian, Ubuntu: apt-get install python3-venv)"
    rm -rf "$venv"
    "$base" -m venv "$venv"
}

# An environment with a working Python and pip; a broken one is made anew.
ensure_venv() {
    local version
    if version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); then
        case " $pythons " in
            *" $version "*) ;;
            *) fail "$venv has Python $version, but the $stack stack needs $wanted; move it away" ;;
        esac
        "$python" -c 'import pip' 2>/dev/null || "$python" -m ensurepip >/dev/null 2>&1 || make_venv
    else
        make_venv
    fi
}

# Where can mmcv's ops run: 'cuda' wants a device and a compiler of torch's own CUDA version.
ops_target() {
    "$python" - <<'EOF'
import re, subprocess, torch
from torch.utils.cpp_extension import CUDA_HOME
if not torch.cuda.is_available():
    raise SystemExit(print('cpu'))
try:
    said = subprocess.run([f'{CUDA_HOME}/bin/nvcc', '--version'], capture_output=True, text=True).stdout
except OSError:
    said = ''
found = re.search(r'release (\d+)', said)
print('cuda' if found and found[1] == torch.version.cuda.split('.')[0] else f'no-nvcc {torch.version.cuda}')
EOF
}

ops_work() {
    "$python" -W ignore - "$1" <<'EOF'
import sys
from mmcv.ops import get_compiling_cuda_version
if sys.argv[1] == 'cuda' and get_compiling_cuda_version() == 'not available':
    sys.exit('mmcv was compiled without CUDA')
EOF
}

install_torch() {
    pip "${torch[@]}"
    "$python" -W ignore -c 'import torch' || pip --no-deps --force-reinstall "${torch[0]}"
}

# opencv-python wants a screen's libraries (libGL), which a server may lack; the headless build does not.
install_frameworks() {
    pip --upgrade pip "${rest[@]}" "${torch[@]}" "${build[@]}"
    local version
    if ! "$python" -c 'import cv2'; then
        version=$("$python" -c "from importlib.metadata import version; print(version('opencv-python'))")
        pip --no-deps --force-reinstall "opencv-python-headless==$version"
    fi
    "$python" -W ignore -c 'import cv2, mmengine'
}

# A wheel of mmcv that pip kept may lack the ops, or be made for the CPU alone or for another torch.
install_mmcv() {
    local target=$1 cuda=(FORCE_CUDA=0 CUDA_VISIBLE_DEVICES=)
    [ "$target" = cpu ] || cuda=(FORCE_CUDA=1)
    export MMCV_WITH_OPS=1 "${cuda[@]}"
    pip --no-build-isolation "$mmcv" "${torch[@]}" "${build[@]}" "${rest[@]}"
    ops_work "$target" || pip --no-build-isolation --no-deps --no-cache-dir --force-reinstall "$mmcv"
    ops_work "$target"
}

everything_imports() {
    echo "[$steps/$steps] check that everything imports (seconds)"
    "$python" -W ignore -c \
        'import cv2, torch, torchmetrics, mmengine, mmcv.ops, mmdet.apis, mmseg.apis, freqfusion_mm' >>"$log" 2>&1
}

check_compiler() {
    command -v "${CXX:-c++}" >/dev/null || fail "mmcv's ops need a C++ compiler, and there is none;
       install one (Debian, Ubuntu: apt-get install g++ python3-dev), then call this again"
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' \
        || fail "mmcv's ops need Python's headers (Python.h), and they are missing;
       install them (Debian, Ubuntu: apt-get install python3-dev), then call this again"
}

install_everything() {
    number=0
    export PATH=$venv/bin:$PATH # mmcv's compilation looks for ninja there
    step "${torch[0]}" 'a download of 200 MB; several GB where pip finds only the build with CUDA' \
        install_torch
    step 'frameworks and build tools' 'about a minute' install_frameworks
    local target
    target=$(ops_target 2>>"$log")
    if [ "${target%% *}" = no-nvcc ]; then
        echo "note: there is a CUDA device, but no nvcc of CUDA ${target#* }: mmcv's ops will run on the CPU alone."
        echo "      To have both, install the CUDA toolkit ${target#* }, set CUDA_HOME, delete $venv, call this again."
        target=cpu
    fi
    ops_work "$target" 2>/dev/null || check_compiler
    step "$mmcv with its ops, for the $target" \
        "compiles for $minutes minutes on two cores the first time; pip keeps the result" install_mmcv "$target"
    step 'this package, editable' 'seconds' \
        pip --no-deps --no-build-isolation --editable "$root"
}

# One set-up at a time: the README's commands may be started side by side.
exec 9<"$root"
if command -v flock >/dev/null; then flock 9; fi

# What the environment was made from; where it differs, pip brings it up to date.
key=$(cat "$root/tools/setup.sh" "$root/setup.cfg" "$root/setup.py" <(echo "$root") | sha256sum)
stamp=$venv/setup.done
began=$SECONDS
if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then
    if still_whole; then
        echo "environment ready: $venv"
        exit 0
    fi
    echo "$venv was complete, but is damaged: making it anew"
    make_venv
else
    echo "setting up the $stack stack in $venv"
    ensure_venv
fi
rm -f "$stamp"
: >"$log"
install_everything
if ! everything_imports; then
    echo 'something installed does not import: making the environment anew'
    make_venv
    : >"$log"
    install_everything
    everything_imports || { tail -n 25 "$log" >&2; fail "it still does not; see $log"; }
fi
echo "$key" >"$stamp"
echo "environment ready: $venv (took $(duration $((SECONDS - began))))"
