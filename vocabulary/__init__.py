"""Makes medsnap's vocabularies from DICOM's context groups: `make vocabulary`. No part of the product."""
