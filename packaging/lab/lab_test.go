package lab

import (
	"flag"
)

var lab = flag.Bool("lab", false, "boot Droplets; needs root")
