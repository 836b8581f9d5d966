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
	if ((SECONDS > 420)); then
		failed=1
		rows+=("LATE        $name: left out")
		return
	fi
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
part kernels 100 "$folder/cuda.test" -test.v -test.skip '^Test(Golden|OneOutput|Rows|Contexts|Logits|Sanitize|Profile)$'
part golden 60 "$folder/cuda.test" -test.v -test.run '^Test(Golden|Logits)$'
part one-output 90 "$folder/cuda.test" -test.v -test.run '^Test(OneOutput|Rows|Contexts)$'
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1)
for tool in memcheck racecheck; do
	# racecheck does not know the hand-over of products (TestHandOver); the emulator's check of races does.
	leave=()
	[[ $tool == racecheck ]] && leave=(--kernel-name-exclude kns=products)
	if [[ $sanitizer ]]; then
		part "$tool" 60 "$sanitizer" --tool "$tool" "${leave[@]}" --error-exitcode 1 "$folder/cuda.test" -test.v -test.run '^TestSanitize$'
	else
		rows+=("none        $tool: no compute-sanitizer")
	fi
done

# bench SHAPE TYPE ARGUMENT... adds a benchmark's lines to bench.csv.
bench() {
	local name=bench-$1-$2-$4-${10:-f16}
	part "$name" 60 "$folder/orthrus" bench -b cuda -r 3 --limits -o csv --shape "$1" --type "$2" "${@:3}"
	cat "$out/$name.log" >>"$out/bench.csv"
	rm "$out/$name.log"
}
rm -f "$out/bench.csv"
for shape in 8b 1.7b; do
	for type in q4_k_m q8_0; do
		bench $shape $type -d 512 --pp 4096 --tg 32
		bench $shape $type -d 16384 --pp 0 --tg 0
		for depth in 512 16384; do
			bench $shape $type -d $depth --pp 0 --tg 0 --cache-type q8_0
		done
	done
done
part profile 60 "$folder/cuda.test" -test.v -test.run '^TestProfile$'
cat "$out/profile.log"


# What decides, by model and type.
awk -F, '
	{ sub(/^"[^"]*",/, "machine,") } # has commas
	$11 == "test" || NF < 19 { next }
	{ key = $5 " " $6; if (!(key in seen)) { seen[key]; order[++keys] = key }
	  ms[key, $2, $11] = $13; share[key, $2, $11] = $19; copy = $3; int8 = $4 }
	function ratio(test, of, cache) { return ms[k, cache, of] ? sprintf("%.2f", ms[k, cache, test] / ms[k, cache, of]) : "-" }
	END {
		printf "\ncopy %.0f GB/s, int8 by mma.sync %.0f TOPS\n", copy, int8 / 1000
		printf "%-18s %8s %8s %6s %6s %8s %8s %8s %8s %9s %9s\n", "context 512", "T(1) ms", "of copy", "T(8)", "T(32)", "diff 32", "step 32", "pp t/s", "of int8", "16k: f16", "q8_0"
		for (i = 1; i <= keys; i++) {
			k = order[i]; one = "ar pass n=1 @ d512"; pp = "pp4096 @ d512"; step = "step n=32 @ d"
			printf "%-18s %8.3f %7.1f%% %6s %6s %8s %8s %8.0f %7.1f%% %9s %9s\n", k, ms[k, "f16", one], 100 * share[k, "f16", one],
				ratio("ar pass n=8 @ d512", one, "f16"), ratio("ar pass n=32 @ d512", one, "f16"), ratio("diffusion pass n=32 @ d512", one, "f16"),
				ratio(step "512", one, "f16"), ms[k, "f16", pp] ? 4096000 / ms[k, "f16", pp] : 0, 100 * share[k, "f16", pp],
				ratio(step "512", step "16384", "f16"), ratio(step "512", step "16384", "q8_0")
		}
	}' "$out/bench.csv"
echo
printf '%s\n' "${rows[@]}"
echo "$SECONDS s"
exit $failed
