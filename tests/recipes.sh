#!/bin/sh
# recipes.sh SPACC SOURCE: the tests of models/recipes with Debian's Python or another that has
# torch and onnx.
set -eu
for python in /usr/bin/python3 python3; do
    if "$python" -c 'import torch, onnx' 2>/dev/null; then
        cd "$2/models/recipes"
        export SPACC="$1" PYTHONPATH=. PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
        exec "$python" -m unittest discover -s tests
    fi
done
echo "skipped: no python3 with torch and onnx (python3-torch, python3-onnx)"
exit 77
