"""Photos out of the vault: FHIR R4 bundles and DICOM files with honest flags and a receipt."""
