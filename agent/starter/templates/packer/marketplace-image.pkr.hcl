# For today's Packer: packer init packer && packer build packer/marketplace-image.pkr.hcl
packer {
  required_plugins {
    digitalocean = {
      version = ">= 1.4.0"
      source  = "github.com/digitalocean/digitalocean"
    }
  }
}

variable "do_api_token" {
  type      = string
  default   = env("DIGITALOCEAN_API_TOKEN")
  sensitive = true
}

variable "base" {
  type        = string
  default     = "debian-12-x64"
  description = "What the image is made from; almalinux-9-x64, rockylinux-9-x64 and centos-stream-9-x64 take dnf_packages."
}

variable "region" {
  type    = string
  default = "nyc3"
}

variable "size" {
  type        = string
  default     = "s-1vcpu-1gb"
  description = "The smallest one that builds: an image fits on no smaller disk."
}

variable "packages" {
  type    = string
  default = « .Packages | hcl »
}

variable "dnf_packages" {
  type    = string
  default = « .DNFPackages | hcl »
}

variable "agent" {
  type        = string
  default     = "oneclick-agent.deb"
  description = "The package of oneclick-agent in build: a .deb, or a .rpm for the systems with dnf."
}

locals {
  # The name and the version stand in app.yaml alone.
  app = yamldecode(file("${path.root}/../app.yaml")).app
}

source "digitalocean" "image" {
  api_token     = var.do_api_token
  image         = var.base
  region        = var.region
  size          = var.size
  ssh_username  = "root"
  snapshot_name = "« .ID »-${local.app.version}-${formatdate("YYYYMMDDhhmm", timestamp())}"
}

build {
  sources = ["source.digitalocean.image"]

  provisioner "shell-local" {
    inline = [
      "mkdir -p '${path.root}/../build'",
      "tar --create --file '${path.root}/../build/manifest.tar' --directory '${path.root}/..' --exclude='./.*' --exclude=./build --exclude=./packer --exclude=./test --exclude='*.md' .",
    ]
  }

  provisioner "shell" {
    inline = ["cloud-init status --wait || test $? = 2", "mkdir -p /etc/oneclick /etc/apt/keyrings"]
  }

  provisioner "file" {
    source      = "${path.root}/files/"
    destination = "/"
  }

  provisioner "file" {
    source      = "${path.root}/../build/manifest.tar"
    destination = "/tmp/manifest.tar"
    generated   = true
  }

  provisioner "file" {
    source      = "${path.root}/../build/${var.agent}"
    destination = "/tmp/${var.agent}"
  }

  provisioner "shell" {
    inline = ["tar --extract --no-same-owner --file /tmp/manifest.tar --directory /etc/oneclick", "rm /tmp/manifest.tar"]
  }

  provisioner "shell" {
    environment_vars = [
      "DEBIAN_FRONTEND=noninteractive",
      "LC_ALL=C",
      "PACKAGES=${var.packages}",
      "DNF_PACKAGES=${var.dnf_packages}",
      "AGENT=/tmp/${var.agent}",
    ]
    scripts = ["${path.root}/packages", "${path.root}/setup", "${path.root}/finish"]
  }

  post-processor "manifest" {
    output      = "${path.root}/../build/packer-manifest.json"
    strip_path  = true
    custom_data = { application_version = local.app.version }
  }
}
