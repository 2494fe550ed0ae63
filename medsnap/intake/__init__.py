"""What a dump holds: photos with their companions, their device, and signs of where they have been."""
