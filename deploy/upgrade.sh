#!/bin/sh
# Upgrade a site of compose.scale.yaml without downtime: build, migrate, then replace one container at a time, each once
# the one before it serves. From the folder of compose.scale.yaml:
#
#   git pull && deploy/upgrade.sh              everything that runs Spot's code
#   deploy/upgrade.sh web                      only some services; also after a change of settings
#
# BUILD=no: the image is there already.
set -eu
compose="${COMPOSE:-docker compose} -f compose.scale.yaml"
services=${*:-web worker stream beat}

serves() { # of a new container: whether the next old one may go
  case $service in
    web) docker exec "$1" python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz')" >/dev/null 2>&1 ;;
    *) [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ] ;;
  esac
}

[ "${BUILD:-yes}" = no ] || $compose build web
$compose run --rm --no-deps migrate

for service in $services; do
  for container in $($compose ps -q "$service"); do
    echo "replacing $(docker inspect --format '{{.Name}}' "$container")"
    before=$($compose ps -q "$service")
    docker stop "$container" >/dev/null
    docker rm "$container" >/dev/null
    $compose up -d --no-deps --no-recreate "$service"
    for new in $($compose ps -q "$service"); do
      case $before in *"$new"*) continue ;; esac
      seconds=0
      until serves "$new"; do
        seconds=$((seconds + 1))
        if [ "$seconds" -gt "${PATIENCE:-180}" ]; then
          echo "it does not serve after $seconds s; its log ends:" >&2
          docker logs --tail 20 "$new" >&2
          echo "The other containers go on as they were." >&2
          exit 1
        fi
        sleep 1
      done
    done
  done
done
