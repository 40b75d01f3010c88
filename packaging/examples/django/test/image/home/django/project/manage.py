# the image's own project
