# Makes container images without a daemon or a registry: layers from folders, and an archive as "docker save" writes it,
# which docker, podman and containerd load. Sourced. The same input gives the same bytes.
# shellcheck shell=bash

# layer FOLDER OUTPUT.tar: everything in it, with its owners and modes.
layer() {
  tar --create --file "$2" --directory "$1" --sort=name --mtime=@0 --numeric-owner \
    --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime .
}

# archive OUTPUT.tar TAG CONFIG LAYER.tar...: CONFIG is the JSON of what a container is started with.
archive() {
  local output=$1 tag=$2 config=$3 folder digest arch ids='' files=''
  shift 3
  case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
  folder=$(mktemp -d "$output.XXXXXX")
  for file in "$@"; do
    digest=$(sha256sum "$file" | cut -c1-64)
    ln -f "$file" "$folder/$digest.tar" 2>/dev/null || cp "$file" "$folder/$digest.tar"
    ids+="${ids:+, }\"sha256:$digest\"" files+="${files:+, }\"$digest.tar\""
  done
  printf '{"architecture": "%s", "os": "linux", "config": %s, "rootfs": {"type": "layers", "diff_ids": [%s]}}' \
    "$arch" "$config" "$ids" >"$folder/config.json"
  digest=$(sha256sum "$folder/config.json" | cut -c1-64)
  mv "$folder/config.json" "$folder/$digest.json"
  printf '[{"Config": "%s.json", "RepoTags": ["%s"], "Layers": [%s]}]' "$digest" "$tag" "$files" >"$folder/manifest.json"
  (cd "$folder" && tar --create --file "$output.new" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
    --hard-dereference --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -- *)
  mv "$output.new" "$output"
  rm -rf "$folder"
}
