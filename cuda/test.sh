#!/usr/bin/env bash
# Tests and measures the CUDA backend on the GPU of this machine, in under 6 minutes:
#
#	cuda/test.sh [FOLDER] [OUT]
#
# It prints a short table, and leaves the logs in OUT. The machine needs a driver and, for compute-sanitizer, a toolkit,
# but no Go: FOLDER has what `cuda/test.sh --build FOLDER` built anywhere.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if [[ ${1:-} == --build ]]; then
	mkdir -p "$2"
	folder=$(cd "$2" && pwd)
	cd "$root" || exit
	export CGO_ENABLED=0 GOOS=linux GOARCH=amd64
	go build -trimpath -ldflags '-s -w' -o "$folder/orthrus" ./cmd/orthrus &&
		go test -c -trimpath -ldflags '-s -w' -tags gpu -o "$folder/cuda.test" ./cuda
	exit
fi
folder=$(cd "${1:-$root/bin}" && pwd)
out=${2:-$(mktemp -d)}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$root/cuda" || exit
failed=0
rows=()

# part NAME SECONDS COMMAND... runs a part and notes how it went.
part() {
	local name=$1 limit=$2 start=$SECONDS status
	shift 2
	timeout "$limit" "$@" >"$out/$name.log" 2>&1
	status=$?
	if ((status)); then
		failed=1
		rows+=("FAIL  $((SECONDS - start)) s  $name")
		echo "--- $name: status $status"
		tail -n 40 "$out/$name.log"
	else
		rows+=("ok    $((SECONDS - start)) s  $name")
	fi
}

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem --format=csv,noheader
"$folder/orthrus" version
"$folder/orthrus" devices
part kernels 100 "$folder/cuda.test" -test.v -test.skip '^Test(Golden|OneOutput|Rows|Contexts|Logits)$'
part golden 60 "$folder/cuda.test" -test.v -test.run '^Test(Golden|Logits)$'
part one-output 90 "$folder/cuda.test" -test.v -test.run '^Test(OneOutput|Rows|Contexts)$'
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1)
for tool in memcheck racecheck; do
	if [[ $sanitizer ]]; then
		part "$tool" 60 "$sanitizer" --tool "$tool" --error-exitcode 1 "$folder/cuda.test" -test.v -test.run '^TestSanitize$'
	else
		rows+=("none        $tool: no compute-sanitizer")
	fi
done

# What decides: bandwidth at one row, T(n)/T(1), a whole step, long prompts, and a long context over a short one.
bench() {
	local name=$1
	shift
	part "bench-$name" 60 "$folder/orthrus" bench -b cuda -r 3 --limits "$@"
	cat "$out/bench-$name.log"
}
for shape in 8b 1.7b; do
	for type in q4_k_m q8_0; do
		bench "$shape-$type-512" --shape $shape --type $type -d 512 --pp 0 --tg 64
		bench "$shape-$type-16384" --shape $shape --type $type -d 16384 --pp 0 --tg 16
		bench "$shape-$type-prompt" --shape $shape --type $type --pp 4096 --tg 0
	done
done
part profile 60 "$folder/cuda.test" -test.v -test.run '^TestProfile$'
cat "$out/profile.log"

echo
printf '%s\n' "${rows[@]}"
echo "$SECONDS s"
exit $failed
