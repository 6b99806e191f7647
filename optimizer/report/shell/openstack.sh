# Migrates with `openstack server migrate`, as an administrator (see OS_CLOUD). A server is named by its UUID alone;
# another name is looked up in `openstack server list`.
#   WAIT_S=300   seconds that a server's task has to end after its migration

server_of() { # server_of VM: print the UUID of the one server that is called VM, or has that UUID
  local list line found=
  if [[ $1 =~ ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$ ]]; then
    printf '%s\n' "$1"
    return 0
  fi
  list=$(openstack server list --all-projects --limit -1 -f value -c ID -c Name) || return 1
  while IFS= read -r line; do
    if [[ ${line:37} == "$1" ]]; then
      [[ -z $found ]] || refuse 'more than one server has this name' "$1" || return 1
      found=${line:0:36}
    fi
  done <<<"$list"
  [[ $found =~ ^[0-9a-fA-F-]{36}$ ]] || refuse 'no server has this name' "$1" || return 1
  printf '%s\n' "$found"
}

shows() { # shows SERVER COLUMN VALUE
  [[ $(openstack server show -f value -c "$2" "$1") == "$3" ]]
}

migrate() { # migrate VM FROM TO HOW STORAGE
  local server flags=()
  plain_host "$3" || return 1
  case $4 in
    live | paused)
      flags+=(--live-migration)
      if [[ $5 == copied ]]; then flags+=(--block-migration); else flags+=(--shared-migration); fi
      ;;
    stopped | cold) ;; # a cold migration, in which Nova copies local disks by itself
    *) refuse "a VM that cannot be migrated ($4)" "$1" || return 1 ;;
  esac
  server=$(server_of "$1") || return 1
  shows "$server" OS-EXT-SRV-ATTR:host "$2" || refuse "not on $2" "$1" || return 1
  openstack --os-compute-api-version 2.56 server migrate "${flags[@]}" --host "$3" --wait "$server" || return 1
  if [[ $4 == stopped || $4 == cold ]]; then
    openstack server migration confirm "$server" || return 1
  fi
  wait_for "${WAIT_S:-300}" shows "$server" OS-EXT-STS:task_state None ||
    refuse 'its task does not end' "$1" || return 1
  shows "$server" OS-EXT-SRV-ATTR:host "$3" || refuse "not seen on $3" "$1"
}
