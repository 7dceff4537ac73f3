# For those who type make. The commands themselves are in quickstart/ and package.json.
.PHONY: all build deps start test-all clean

all: deps build

deps:
	./quickstart/deps.sh

build: deps
	. ./quickstart/node.sh && node_use && node scripts/build.mjs

start:
	./quickstart/start.sh

test-all:
	./quickstart/test.sh

clean:
	rm -rf dist bench/results
