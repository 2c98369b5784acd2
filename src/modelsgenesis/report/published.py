"""The papers' numbers for the seven target tasks, to stand beside measured ones: data, with citation and metric.

They are means and standard deviations over ten trials on the papers' own data, so they are a landmark: a run on other
data, or fewer scans, or phantoms, is not expected to meet them.
"""

from dataclasses import dataclass

JOURNAL = "Zhou et al., Models Genesis, Medical Image Analysis 67 (2021), arXiv:2004.07882"
GENESIS = "Genesis Chest CT"
TARGETS_3D = ("ncc", "ncs", "ecc", "lcs", "bms")
TARGETS_2D = ("dxc", "iuc")

IN_3D = {
    "random, uniform": ("94.74±1.97", "75.48±0.43", "80.36±3.58", "78.68±4.23", "60.79±1.60"),
    "random, Xavier": ("94.25±5.07", "74.05±1.97", "79.99±8.06", "77.82±3.87", "58.52±2.61"),
    "random, MSRA": ("96.03±1.82", "76.44±0.45", "78.24±3.60", "79.76±5.43", "63.00±1.73"),
    "I3D": ("98.26±0.27", "71.58±0.55", "80.55±1.11", "70.65±4.26", "67.83±0.75"),
    "NiftyNet": ("94.14±4.57", "52.98±2.05", "77.33±8.05", "83.23±1.05", "60.78±1.60"),
    "MedicalNet": ("95.80±0.49", "75.68±0.32", "86.43±1.44", "85.52±0.58", "66.09±1.35"),
    "de-noising": ("95.92±1.83", "73.99±0.62", "85.14±3.02", "84.36±0.96", "57.83±1.57"),
    "in-painting": ("91.46±2.97", "76.02±0.55", "79.79±3.55", "81.36±4.83", "61.38±3.84"),
    "jigsaw": ("95.47±1.24", "70.90±1.55", "81.79±1.04", "82.04±1.26", "63.33±1.11"),
    "DeepCluster": ("97.22±0.55", "74.95±0.46", "84.82±0.62", "82.66±1.00", "65.96±0.85"),
    "patch shuffling": ("91.93±2.32", "75.74±0.51", "82.15±3.30", "82.82±2.35", "52.95±6.92"),
    "Rubik's cube": ("96.24±1.27", "72.87±0.16", "80.49±4.64", "75.59±0.20", "62.75±1.93"),
    GENESIS: ("98.34±0.44", "77.62±0.64", "87.20±2.87", "85.10±2.15", "67.96±1.29"),
}
"""Per cent, mean ± standard deviation of ten trials. MedicalNet saw the scans of LCS before."""

IN_2D = {
    "random": ("69.15±0.77", "92.78±3.71"),
    "ImageNet": ("75.55±0.48", "95.51±1.77"),
    "Genesis Chest CT 2D": ("74.99±0.36", "94.50±2.08"),
    "Genesis Chest X-ray": ("75.48±0.13", "94.99±0.93"),
}

METRICS = {
    "ncc": "AUC",
    "ncs": "IoU, mean over thresholds",
    "ecc": "AUC",
    "lcs": "IoU, mean over thresholds",
    "bms": "IoU, mean over thresholds",
    "dxc": "AUC, mean over 14 diseases",
    "iuc": "AUC",
}


@dataclass(frozen=True)
class Published:
    """What the papers report of one initialisation on one target; mean and deviation in [0, 1]."""

    target: str
    init: str
    mean: float
    deviation: float

    @property
    def metric(self) -> str:
        """What the score is, in words."""
        return METRICS[self.target]


def published(target: str) -> list[Published]:
    """The papers' rows for a target task, in their order; none for a target that is not theirs."""
    found = []
    for targets, table in ((TARGETS_3D, IN_3D), (TARGETS_2D, IN_2D)):
        if target in targets:
            for init, cells in table.items():
                mean, deviation = (float(part) / 100 for part in cells[targets.index(target)].split("±"))
                found.append(Published(target, init, mean, deviation))
    return found


def landmarks(target: str) -> list[Published]:
    """The best random start, the best rival and the Models Genesis of the papers, in this order."""
    rows = published(target)
    random = [row for row in rows if row.init.startswith("random")]
    ours = [row for row in rows if row.init.startswith("Genesis")]
    rivals = [row for row in rows if row not in random and row not in ours]
    return [max(group, key=lambda row: row.mean) for group in (random, rivals, ours) if group]


def same_metric(target: str, metric: str) -> bool:
    """Whether a measured `metric` is the one that the papers report for the target."""
    return metric == "auc" if METRICS[target].startswith("AUC") else metric.startswith("paper_iou")
