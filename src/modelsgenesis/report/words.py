"""Numbers and names as a reader should see them."""

import math
from collections.abc import Sequence

METRICS = {
    "auc": "AUC",
    "dice": "Dice",
    "iou": "IoU",
    "paper_iou": "IoU of the papers",
    "paper_iou_keras": "IoU of the papers (Keras)",
    "nsd": "surface Dice",
    "hd95": "HD95",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "average_precision": "average precision",
    "cpm": "CPM",
    "froc": "CPM",
    "validation": "restoration error",
}
LONG = {
    "auc": "area under the ROC curve; of several classes their mean",
    "dice": "mean over test cases of each case's mean over its structures; a missed structure counts 0",
    "paper_iou": "IoU averaged over thresholds 0.5, 0.55, … 0.95, mean over cases; a missed structure counts 0",
    "iou": "mean over test cases of each case's mean over its structures; a missed structure counts 0",
    "cpm": "mean sensitivity at 1/8 to 8 false positives a scan",
}
TASKS = {
    "ncc": "lung nodules: false positives, CT",
    "ncs": "lung nodules: segmentation, CT",
    "ecc": "pulmonary embolism: false positives, CTPA",
    "lcs": "liver: segmentation, CT",
    "bms": "brain tumours: segmentation, MR",
    "dxc": "chest diseases, X-ray",
    "iuc": "carotid wall: regions, ultrasound",
}
MINUS = "\N{MINUS SIGN}"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def metric_name(metric: str) -> str:
    """Short name of a metric."""
    return METRICS.get(metric, metric.replace("_", " "))


def score(value: float | None) -> str:
    """Three decimals; an en dash where undefined."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.3f}".replace("-", MINUS)


def signed(value: float) -> str:
    """Three decimals with the sign always there."""
    if math.isnan(value):
        return "–"
    return f"{value:+.3f}".replace("-", MINUS)


def p_value(p: float) -> str:
    """As papers print it."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def capital(text: str) -> str:
    """With a capital letter at the start."""
    return text[:1].upper() + text[1:]


def target_title(target: str) -> str:
    """The papers' targets in capitals, others as they are called."""
    return target.upper() if target in TASKS else target


def counted(number: int, noun: str, plural: str = "") -> str:
    """ "three seeds", "one seed", "12 seeds"."""
    amount = NUMBERS[number] if 0 <= number < len(NUMBERS) else f"{number:,}"
    return f"{amount} {noun if number == 1 else plural or noun + 's'}"


def ranged(numbers: Sequence[int], noun: str, plural: str = "") -> str:
    """ "three seeds", or "three to five seeds"."""
    low, high = min(numbers), max(numbers)
    if low == high:
        return counted(low, noun, plural)
    return f"{counted(low, '', ' ').strip()} to {counted(high, noun, plural)}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """ "a, b and c"; of many, the first and how many more."""
    shown = list(names)
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(names) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "none"


def share(fraction: float) -> str:
    """A share in per cent without needless decimals."""
    return f"{100 * fraction:.3g}\N{NO-BREAK SPACE}%"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Bytes as kB or MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
