"""The demonstration: videos whose class lies in time alone, models trained on them, a page to read.

directory/videos/             real MP4 files, and index.csv
directory/runs/amflow/        a run as `stillmotion train` leaves it; with --full an ablation
directory/report.json         the scores; report.html is the same, to read
directory/predictions.jsonl   every held-out clip and what each model says
"""

from stillmotion.demo.run import demonstrate

__all__ = ["demonstrate"]
