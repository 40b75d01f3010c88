# The only entry. Every target does its own set-up.
SHELL := /bin/bash
VERSION ?= $(shell packaging/version)
# Who answers for the packages; make release wants somebody real.
export MAINTAINER ?= oneclick-agent maintainers <maintainers@oneclick-agent.example>
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
# Packages are the same bytes whenever they are built from the same commit.
export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
export CGO_ENABLED := 0
LDFLAGS := -s -w -buildid= $(foreach is,Version=$(VERSION) Commit=$(COMMIT),-X oneclick-agent/agent/commandline.Build$(is))
GO_BUILD := go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'

.PHONY: build package check test test-terminal test-lab test-power test-servers bench demo droplet image release soak fuzz docs clean

build: ## the program for this machine, at build/oneclick-agent
	$(GO_BUILD) -o build/oneclick-agent ./cmd/oneclick-agent

package: ## .deb and .rpm for amd64 and arm64, in build/packages
	packaging/build-packages "$(VERSION)" '$(LDFLAGS)'

check: ## the quick part of the tests: without root, without the lab, in under three minutes
	test -z "$$(gofmt -l agent cmd packaging)" || { gofmt -l agent cmd packaging; exit 1; }
	go vet ./...
	go test $$(go list ./agent/... ./cmd/oneclick | grep -Ev '/(firstboot|database|scan|disk|snapshot)(/|$$)')

test: ## code, terminals, packages, real services
	packaging/install-test-tools
	packaging/run-tests

test-terminal: ## the wizard on every kind of terminal, faults at every system call, signals, kills
	go test -timeout 60m ./cmd/...

test-lab: package ## Droplets in the lab: real boots, power cuts, first logins over SSH, Packer
	packaging/install-test-tools
	packaging/run-lab

test-power: build package ## 20 power cuts during the first boot of a Droplet
	packaging/install-test-tools
	go test -count=1 -timeout 120m ./packaging/lab -run TestPowerCuts -lab -cuts 20 -v

test-servers: ## a Debian with nearly fifty servers has no failed check but true ones; builds that image first, which takes long
	packaging/install-test-tools
	go test -count=1 -timeout 90m -v ./packaging/images -images

bench: build ## ratios measured in one run
	go run ./packaging/bench build/oneclick-agent

demo: build ## first boot of the sample image on a throwaway directory
	packaging/demo

droplet: package ## boot the sample image as a Droplet and get a root shell on it
	packaging/install-test-tools
	go run ./cmd/oneclick boot --agent build/packages/oneclick-agent_$(VERSION)_amd64.deb --template packaging/packer/marketplace-image.json packaging/sample

release: package ## dist/: packages, checksums, what they are made of, repositories for apt and dnf; needs MAINTAINER, and RELEASE_KEY to sign
	packaging/release "$(VERSION)"

image: package ## the sample image, built on DigitalOcean by Packer; needs DIGITALOCEAN_API_TOKEN
	packer build -var agent=build/packages/oneclick-agent_$(VERSION)_amd64.deb packaging/packer/marketplace-image.json

EVENTS ?= 10000
soak: ## a Droplet's years on a tree: EVENTS random events, from a seed of the clock or SEED
	go test -count=1 -timeout 10h ./agent/firstboot -run TestAYearOfADroplet -v -args -events $(EVENTS) -seed $(or $(SEED),$(shell date +%N | sed 's/^0*//'))

fuzz: ## each fuzz target for a minute
	packaging/fuzz 60s

docs: build ## the files made from the code: JSON Schema, the catalogue of pre-snapshot, golden screens, the pictures of real runs
	go run ./cmd/oneclick-agent schema > docs/app.schema.json
	go run ./cmd/oneclick-agent schema --markdown > docs/reference.md
	go run ./cmd/oneclick-agent reference > docs/commands.md
	go run ./cmd/oneclick reference > docs/oneclick.md
	go run ./cmd/oneclick-agent pre-snapshot --list --markdown > docs/pre-snapshot.md
	UPDATE=1 go test ./cmd/oneclick-agent -run 'TestScreens|TestLines|TestTheStory'
	go run ./packaging/picture build/oneclick-agent docs

clean:
	rm -rf build
