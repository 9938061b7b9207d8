# The commands of people and CI. Each target installs what it needs into .tools/.
#
#   make scan LOGS=…    search old log files for quarantines: a folder, or s3://bucket
#   make trace-demo     show what the key of a made leak did
#   make demo           run the function on a local AWS: a log file goes in, the alert comes out
#   make test           run all tests
#   make soak           run the function for eight minutes against servers that fail, and count its alerts (DELIVERIES=20000; SEED=…)
#   make check          run everything that CI runs: formatting, lints, tests, template gates, the deployed stack
#   make deployed       deploy the bundle with `sam deploy` on the local AWS, from each source, and operate it
#   make page           test the page of a trace in Chromium
#   make fuzz           attack each fuzz target for a minute (SECONDS_EACH=60; TARGETS="log_file record …")
#   make coverage       count the lines that the tests reach, those of the programs that they start included
#   make sql            run the SQL of docs/trace.sql in DuckDB and compare it with what a trace must find
#   make deny           check the licences and sources of all dependencies
#   make advisories     check the dependencies against the RustSec advisory database
#   make invoke         run one invocation under cargo-lambda (EVENT=events/….json)
#   make docs           update the generated part of docs/rules.md
#   make bench          measure the scan and the function against their limits
#   make bench-peers    measure the scan against other tools
#   make bench-archive  measure quarantine-scan on a million records against other tools
#
# What a release contains, into dist/:
#
#   make bundle         the function and its template, for `sam deploy` without Rust
#   make archive        quarantine-scan with completions and man pages
#   make wheel          quarantine-scan for pip, pipx and uvx
#
# With your AWS credentials, for a stack of yours (STACK=quarantine-alert):
#
#   make enable-eventbridge BUCKET=…    once, for an existing bucket: send its S3 events to EventBridge
#   make deploy         build the function, and create or update the stack
#   make prove          send a test record through the whole pipeline, and wait for its alert
#   make prove-health   do the same with a made event of AWS Health
#   make logs           follow the function's log
#   make redrive        move messages from the dead-letter queue back to the delivery queue
#   make delete         delete the stack

STACK ?= quarantine-alert
ARCHITECTURE ?= x86_64
PLATFORM ?= $(shell uname -s | tr A-Z a-z)-$(shell uname -m)
REAL ?= tests/data/invictus/CloudTrail
EVENT ?= events/s3-object-created.json
BOOTSTRAP = target/debug/quarantine-alert
PYTHON = .tools/local/bin/python
BENCHES = target/benches/release
SECONDS_EACH ?= 60
TARGETS ?= payload envelope key document record health log_file trace
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

# Where it is set, every Python tool starts two to four times slower.
unexport PYTHONDONTWRITEBYTECODE
export SAM_CLI_TELEMETRY = 0

.PHONY: scan trace-demo demo test coverage invoke bench bench-peers bench-archive benches docs soak deployed release page check fmt clippy gates sql fuzz deny advisories local \
	sam checkov release-tools sql-tools peer-tools enable-eventbridge linux build bundle archive wheel deploy prove prove-health redrive logs delete clean

# Exit status 1 means that incidents were found.
scan:
	@cargo build --locked
	@target/debug/quarantine-scan $(LOGS) || test $$? -eq 1

trace-demo:
	@cargo build --locked --quiet
	@target/debug/quarantine-scan trace AKIAIOSFODNN7EXAMPLE events/trace || test $$? -eq 1

# Not -p: the same features as for both programs, so that nothing is compiled again for the other.
demo: local
	cargo build --locked --bin quarantine-alert
	@$(PYTHON) tools/demo.py $(BOOTSTRAP)

# Many tests wait for a timeout of the function, so more threads than cores save time.
test: local
	cargo test --locked -- --show-output --test-threads=4

# The tests kill the programs that they start, so these must count in a file instead of at their end.
coverage: local .tools/llvm-cov/bin/cargo-llvm-cov
	RUSTFLAGS="-C llvm-args=-runtime-counter-relocation" LLVM_PROFILE_FILE_NAME=%m%c.profraw \
		.tools/llvm-cov/bin/cargo-llvm-cov llvm-cov --locked --lib --bins --test laws --test function --test cli --summary-only \
		-- --test-threads=4

.tools/llvm-cov/bin/cargo-llvm-cov:
	rustup component add llvm-tools
	cargo install --quiet --locked --version 0.9.1 --root .tools/llvm-cov cargo-llvm-cov

invoke: local
	cargo build --locked --bin quarantine-alert
	@$(PYTHON) tools/invoke.py $(BOOTSTRAP) $(EVENT)

bench: benches
	$(BENCHES)/quarantine-alert-benches $(REAL)
	python3 benches/function.py $(BENCHES)/quarantine-alert $(BENCHES)/bare

bench-peers: benches
	python3 benches/peers.py $(BENCHES)/quarantine-alert-benches

bench-archive: benches sql-tools peer-tools
	cargo build --locked --release -p quarantine-scan
	.tools/sql/bin/python benches/archive.py $(BENCHES)/quarantine-alert-benches target/release/quarantine-scan .tools/peers/bin

# For the processors that cargo-lambda builds for. Their flags would rebuild everything in the common target folder.
benches: export RUSTFLAGS = $(if $(filter x86_64,$(shell uname -m)),-C target-cpu=haswell)
benches: export CARGO_TARGET_DIR = target/benches
benches:
	cargo build --locked --release -p quarantine-alert
	cargo build --locked --release -p quarantine-alert-benches

docs: local
	UPDATE_DOCS=1 cargo test --locked --test function -- docs::rules

# Too long for check. DELIVERIES makes it shorter, and SEED repeats the deliveries of a run.
soak: local
	cargo build --locked
	SEED=$(SEED) DELIVERIES=$(DELIVERIES) cargo test --locked --test soak -- --ignored --nocapture

check: fmt clippy test gates sql deployed release page deny

deployed: local sam
	cargo build --locked
	$(PYTHON) tests/deployed.py $(BOOTSTRAP)

# The development build, so that the tests need no release build.
release: local release-tools
	cargo build --locked
	rm -rf target/release-test
	.tools/release/bin/maturin build --quiet --locked --manifest-path cli/Cargo.toml --out target/release-test
	$(PYTHON) tools/bundle.py scan target/debug/quarantine-scan $(PLATFORM) target/release-test
	$(PYTHON) tests/release.py target/release-test/*.whl target/release-test/*.tar.gz

page: tests/page/node_modules/.package-lock.json
	@test -n "$(CHROMIUM)" || { echo "make page needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it." >&2; exit 1; }
	cargo build --locked
	node tests/page/page.mjs target/debug/quarantine-scan "$(CHROMIUM)" target/page

tests/page/node_modules/.package-lock.json: tests/page/package-lock.json
	@command -v npm >/dev/null || { echo "make page needs Node.js with npm." >&2; exit 1; }
	cd tests/page && npm ci --no-audit --no-fund --silent
	touch $@

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- --deny warnings

gates: local sam checkov
	.tools/local/bin/cfn-lint -a cfn_lint_serverless.rules -t template.yaml health-forwarder.yaml
	$(PYTHON) tools/template.py combinations
	$(PYTHON) tests/alarms.py
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate
	AWS_DEFAULT_REGION=us-east-1 .tools/sam/bin/sam validate --lint
	.tools/checkov/bin/checkov -f template.yaml health-forwarder.yaml --framework cloudformation --compact --quiet --skip-download

sql: sql-tools
	.tools/sql/bin/python tests/sql.py

# Stable Rust is enough, and sanitizers are off: the project has no unsafe code. Failing inputs go to fuzz/artifacts, and inputs that
# reach new code to fuzz/corpus.
fuzz: .tools/cargo-fuzz/bin/cargo-fuzz
	python3 fuzz/seeds.py fuzz/corpus
	@for target in $(TARGETS); do \
		$< run --sanitizer none --no-trace-compares $$target -- -max_total_time=$(SECONDS_EACH) -max_len=2048 -timeout=20 \
			-print_final_stats=1 || exit 1; \
	done

.tools/cargo-fuzz/bin/cargo-fuzz:
	cargo install --quiet --locked --version 0.13.2 --root .tools/cargo-fuzz cargo-fuzz

deny: release-tools
	.tools/release/bin/cargo-deny --locked check bans licenses sources

# Needs the internet, for the database of advisories, so it is not part of check.
advisories: release-tools
	.tools/release/bin/cargo-deny --locked check advisories

enable-eventbridge: local
	@$(PYTHON) tools/operate.py enable-eventbridge $(BUCKET)

# cargo-lambda calls the machine's own cargo and linker, which build for Lambda only on Linux.
linux:
	@test "$$(uname -s)" = Linux || { echo "This builds the function for Lambda, which needs Linux. On other systems, deploy the\
	 bundle of a release (docs/deploy.md), or run make in a Linux container." >&2; exit 1; }

# cargo builds for the machine's own architecture. For another, cargo-lambda needs zig.
build: linux local sam
	PATH="$(CURDIR)/.tools/local/bin:$$PATH" $(if $(filter $(ARCHITECTURE),$(subst aarch64,arm64,$(shell uname -m))),CARGO_LAMBDA_COMPILER=cargo) \
		.tools/sam/bin/sam build --parameter-overrides Architecture=$(ARCHITECTURE)
	$(PYTHON) tools/glibc.py .aws-sam/build/Function/bootstrap

bundle: build
	$(PYTHON) tools/bundle.py function .aws-sam/build/Function/bootstrap $(ARCHITECTURE) dist

archive: local
	cargo build --locked --release -p quarantine-scan
	$(if $(findstring linux,$(PLATFORM)),$(PYTHON) tools/glibc.py target/release/quarantine-scan)
	$(PYTHON) tools/bundle.py scan target/release/quarantine-scan $(PLATFORM) dist

# maturin refuses a program that needs a newer glibc than manylinux_2_34 has.
wheel: release-tools
	.tools/release/bin/maturin build --release --locked --manifest-path cli/Cargo.toml --out dist \
		$(if $(findstring linux,$(PLATFORM)),--compatibility manylinux_2_34)

deploy: build
	.tools/sam/bin/sam deploy --guided --stack-name $(STACK) --config-env $(STACK)

prove: local
	@$(PYTHON) tools/operate.py prove $(STACK) $(PREFIX)

prove-health: local
	@$(PYTHON) tools/operate.py prove $(STACK) --health

redrive: local
	@$(PYTHON) tools/operate.py redrive $(STACK)

logs: local sam
	.tools/sam/bin/sam logs --tail --cw-log-group "$$($(PYTHON) tools/operate.py output $(STACK) LogGroupName)"

delete: sam
	.tools/sam/bin/sam delete --stack-name $(STACK)

# One environment per purpose, since their pins exclude each other. The stamp contains the list's hash, so that a changed
# list is installed again, and a second `make` does nothing.
env = .tools/$(1)-$(firstword $(shell sha256sum tools/$(1).txt | cut -c1-12)).stamp
local: $(call env,local)
sam: $(call env,sam)
checkov: $(call env,checkov)
release-tools: $(call env,release)
sql-tools: $(call env,sql)
peer-tools: $(call env,peers)

.tools/local-%.stamp: tools/local.txt
	rm -rf .tools/local .tools/local-*.stamp
	python3 -m venv .tools/local
	.tools/local/bin/pip install -q --disable-pip-version-check uv==0.13.9
	.tools/local/bin/uv pip install -q --no-deps --python $(PYTHON) -r $<
	touch $@

define environment
.tools/$(1)-%.stamp: tools/$(1).txt | local
	rm -rf .tools/$(1) .tools/$(1)-*.stamp
	.tools/local/bin/uv venv -q .tools/$(1)
	.tools/local/bin/uv pip install -q --no-deps --python .tools/$(1)/bin/python -r $$<
	touch $$@
endef
$(foreach name,sam checkov release sql peers,$(eval $(call environment,$(name))))

clean:
	rm -rf target .tools .aws-sam dist tests/page/node_modules
