# Shared by demo, test and companion, which source this file from the root of the checkout.
# shellcheck shell=bash
#
# Everything is built inside the checkout: build/ (CMake, logs), .venv (runtime and the installed module)
# and .venv-train (PyTorch, for the training tests only).  Each step leaves a stamp that names its
# inputs and is skipped while they are unchanged.

SYSTEM_PYTHON=/usr/bin/python3 # GNU Radio's interpreter, whatever python3 is first on the PATH
ROOT=$PWD
VENV=$ROOT/.venv
TRAINING_VENV=$ROOT/.venv-train
LOGS=$ROOT/build/logs

unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PYTHONNOUSERSITE=1 # packages in the user's home must not shadow Debian's NumPy
export PIP_DISABLE_PIP_VERSION_CHECK=1
export MPLBACKEND=Agg
export ORT_DISABLE_TELEMETRY=1 # ONNX Runtime's Linux builds report to their maker otherwise

say() { printf '%s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# stage LOG TITLE COMMAND...: run a command with its output in build/logs/LOG.log, whose end is shown if it fails.
stage() {
    local log=$LOGS/$1.log title=$2 start=$SECONDS status=0
    shift 2
    printf '==> %s (%s) ... ' "$title" "${log#"$ROOT"/}"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if ((status)); then
        printf 'failed (exit code %d)\n' "$status"
        say "--- last lines of ${log#"$ROOT"/} ---" >&2
        tail -n 40 "$log" >&2
        return "$status"
    fi
    printf '%d s\n' "$((SECONDS - start))"
}

# is_done STAMP INPUTS: was the step that leaves STAMP done with these inputs?
is_done() { [[ -f $1 && $(<"$1") == "$2" ]]; }

# hash_of FILE...: the contents, and where the checkout lies.
hash_of() { { printf '%s\n' "$ROOT"; cat "$@"; } | sha256sum | cut -d ' ' -f 1; }

# Two runs at once would build over each other.
take_turns() {
    mkdir -p "$LOGS"
    exec {lock}>"$ROOT/build/.lock"
    if ! flock --nonblock "$lock"; then
        say "Waiting for another run in this checkout to end"
        flock "$lock"
    fi
}

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# install_debian_packages LIST...: install what the lists name and this machine lacks.
install_debian_packages() {
    local missing=() package install remedy as_root=()
    while read -r package; do
        is_installed "$package" || missing+=("$package")
    done < <(sed -e 's/#.*//' -e '/^ *$/d' "$@")
    ((${#missing[@]})) || return 0
    install="apt-get install --no-install-recommends --yes ${missing[*]}"
    remedy="as root, run:
    apt-get update && $install"
    command -v apt-get >/dev/null ||
        fail "these Debian packages are missing: ${missing[*]}; this machine has no apt-get, install their equivalents"
    if ((EUID)); then
        command -v sudo >/dev/null || fail "Debian packages are missing, and there is no sudo; $remedy"
        sudo --validate || fail "Debian packages are missing, and sudo refused; $remedy"
        as_root=(sudo)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    stage apt-update "Reading the package lists" "${as_root[@]}" apt-get update ||
        fail "the package lists cannot be read; mend the network or the sources, or $remedy"
    # shellcheck disable=SC2086  # words of a command
    stage apt-install "Installing Debian packages: ${missing[*]}" \
        "${as_root[@]}" ${install/install/-o DPkg::Lock::Timeout=300 install} ||
        fail "Debian packages could not be installed; $remedy"
}

check_gnuradio() {
    local version
    version=$("$SYSTEM_PYTHON" -c 'from gnuradio import gr; print(gr.version())' 2>&1) ||
        fail "$SYSTEM_PYTHON cannot import gnuradio: ${version##*$'\n'}; install GNU Radio 3.10 from Debian's packages"
    [[ $version == 3.10.* ]] || fail "GNU Radio is $version, expected 3.10.x; use Debian 12 or a system with that version"
}

# A virtual environment and a build tree hold absolute paths: after the checkout has moved they are made anew.
discard_if_moved() {
    local venv
    for venv in "$VENV" "$TRAINING_VENV"; do
        [[ -e $venv && $(grep '^command = ' "$venv/pyvenv.cfg" 2>/dev/null) != *" $venv" ]] && rm -rf "$venv"
    done
    if [[ -e build/CMakeCache.txt ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$ROOT" build/CMakeCache.txt; then
        find build -mindepth 1 -maxdepth 1 ! -name logs ! -name .lock -exec rm -rf {} +
    fi
}

# make_runtime [REQUIREMENTS...]: the environment .venv with rfseg in it, editable.
make_runtime() {
    local files=(scripts/requirements.txt "$@") options=() file inputs stamp
    stamp=$VENV/.installed-$#
    inputs=$(hash_of "${files[@]}" pyproject.toml)
    is_done "$stamp" "$inputs" && return
    for file in "${files[@]}"; do options+=(-r "$file"); done
    [[ -x $VENV/bin/pip ]] ||
        stage venv "Creating the virtual environment .venv" "$SYSTEM_PYTHON" -m venv --system-site-packages "$VENV"
    stage "pip-$#" "Installing Python packages into .venv" "$VENV/bin/python" -m pip install "${options[@]}"
    stage pip-rfseg "Installing the library rfseg into .venv" \
        "$VENV/bin/python" -m pip install --no-deps --no-build-isolation --editable .
    printf '%s\n' "$inputs" >"$stamp"
}

make_training_environment() {
    local stamp=$TRAINING_VENV/.installed inputs
    inputs=$(hash_of scripts/requirements-training.txt pyproject.toml)
    is_done "$stamp" "$inputs" && return
    [[ -x $TRAINING_VENV/bin/pip ]] ||
        stage venv-train "Creating the virtual environment .venv-train" "$SYSTEM_PYTHON" -m venv "$TRAINING_VENV"
    stage pip-training "Installing PyTorch and what training needs into .venv-train" \
        "$TRAINING_VENV/bin/python" -m pip install -r scripts/requirements-training.txt
    stage pip-rfseg-training "Installing the library rfseg into .venv-train" \
        "$TRAINING_VENV/bin/python" -m pip install --no-deps --no-build-isolation --editable .
    printf '%s\n' "$inputs" >"$stamp"
}

build_module() {
    stage configure "Configuring the module" cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_INSTALL_PREFIX="$VENV" -DPython3_EXECUTABLE="$SYSTEM_PYTHON"
    stage build "Building the module" cmake --build build
    stage install "Installing the module into .venv" cmake --install build
}

# prepare [REQUIREMENTS...]: all that the module needs to run.
# shellcheck disable=SC2120  # the arguments are optional
prepare() {
    take_turns
    install_debian_packages scripts/debian-packages.txt
    check_gnuradio
    discard_if_moved
    make_runtime "$@"
    build_module
    PATH=$VENV/bin:$PATH
}
