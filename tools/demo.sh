#!/usr/bin/env bash
# Sets up the environment, writes the embedded Shapes data, trains a small FreqFusion segmentor on it for six
# minutes, evaluates it, and leaves a picture and the metric in work_dirs/demo:
#
#   tools/demo.sh [--stack onedl|openmmlab] [arguments of tools/train.py but --work-dir]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/stack.sh
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # the maps are small: a second thread only waits, and the loader wants the core
config=configs/shapes/segformer_r18-slim_freqfusion_1xb8-1500i_shapes-128x128.py
work=work_dirs/demo

if [ ! -e data/shapes ]; then
    echo "== writing the Shapes data set to data/shapes"
    "$python" projects/shapes/make_shapes.py data/shapes
fi

echo "== training: $config (six minutes on two cores)"
"$python" tools/train.py "$config" --work-dir "$work" "$@"
checkpoint=$(cat "$work/last_checkpoint")
config=$work/${config##*/} # as it was trained, with what the arguments changed

echo "== evaluating $checkpoint"
"$python" tools/test.py "$config" "$checkpoint" --work-dir "$work" | tee "$work/test.log"
grep -oE 'mIoU: +[0-9.]+' "$work/test.log" | tail -n 1 >"$work/metric.txt"

"$python" tools/side_by_side.py --model "$config" "$checkpoint" --title 'FreqFusion' --out "$work/prediction.png"
echo "== $(cat "$work/metric.txt") on the validation images; picture: $work/prediction.png"
