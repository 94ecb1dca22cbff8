"""Is it worth using a pretrained model here?

    python experiments/scratch_vs_pretrained.py --data rotten-tomatoes

What `kerasformer compare` does, as a script: every arm, several seeds, one report.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

from experiment import arguments, run

from kerasformer.compare import compare
from kerasformer.compare.report import Findings, format_summary, load_record


def main():
    args = arguments(__doc__, pretrained=True)
    folder = compare(
        data=args.data, pretrained=args.pretrained, limit=args.limit, epochs=args.epochs
    )
    print(format_summary(Findings(load_record(folder))))
    print(f"The report: {folder / 'report.html'}")


if __name__ == "__main__":  # the arms' processes import this file
    run(main)
