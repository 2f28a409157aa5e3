#!/usr/bin/env bash
# Makes models/demo.gguf from nothing: environment, text, training, quantising, checks. Needs Python 3.11 or newer.
#   training/train.sh            the whole run
#   training/train.sh --quick    thirty steps into a scratch folder, to see that every part works
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../scripts/report.sh

quick=false
case "${1:-}" in
  "") ;;
  --quick) quick=true ;;
  *) echo "usage: training/train.sh [--quick]" >&2; exit 2 ;;
esac

phase() { printf '\n[%s] %s\n' "$(date +%H:%M:%S)" "$*"; }

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "training needs Python 3.11 or newer" "set PYTHON to one"

phase "1/5 environment"
trust_system_certificates
[ -x .venv/bin/python ] || run "making a Python environment" "install Python's venv module" "$python" -m venv .venv
run "pip" "run the same again" .venv/bin/python -m pip install --no-input --disable-pip-version-check -r requirements.txt

phase "2/5 tests of the generator and the tokenizer"
.venv/bin/python -m pytest -q tests

phase "3/5 text and training"
if $quick; then
  .venv/bin/python train.py --out build/quick --steps 30
  phase "4/5 quantising"
  .venv/bin/python export.py --from build/quick --to build/quick/demo.gguf
  phase "5/5 checks are left out: thirty steps teach nothing that could pass them"
else
  .venv/bin/python train.py --out build
  phase "4/5 quantising"
  .venv/bin/python export.py --from build --to ../models/demo.gguf
  phase "5/5 checks"
  .venv/bin/python check.py ../models/demo.gguf
fi
