"""How the files of each format are called: what the index looks for and what chooses the reader."""

NIFTI = (".nii", ".nii.gz", ".nii.bz2")
PAIR_HEADER = ".hdr"
PAIR_VOXELS = (".img", ".img.gz")
PAIRS = (PAIR_HEADER, ".hdr.gz", *PAIR_VOXELS)
MGH = (".mgh", ".mgz")
META = (".mhd", ".mha")
NRRD = (".nrrd", ".nhdr")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
DICOM = (".dcm", ".ima", ".dicom")

NIBABEL = (*NIFTI, *PAIRS, *MGH)
ITK = (*META, *NRRD)
