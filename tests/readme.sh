# Runs every line of README.md's blocks that start with ```sh run, in the source folder's
# likeness: models at their paths, `spacc` on the PATH, files written elsewhere. Then
# compares the operator table with the program's.
. "$2/tests/cli/lib.sh"
need_sim

mkdir bin
ln -s "$spacc" bin/spacc
PATH=$work/bin:$PATH
ln -s "$source/models" models
sed -n '/^```sh run$/,/^```$/p' "$source/README.md" | grep -v '^```' >commands.txt
mkdir profiles
[ "$(wc -l <commands.txt)" -ge 5 ] || bad "README.md has fewer than five commands to run"
while IFS= read -r line; do
    ok sh -c "$line"
done <commands.txt

spacc ops --markdown >table.txt
sed -n '/^| operator | opsets/,/^$/p' "$source/README.md" | sed '/^$/d' >readme_table.txt
same table.txt readme_table.txt

# ./dev: the two commands at the top exist, and the help names each word it takes.
grep -qx '    ./dev demo' "$source/README.md" || bad "README.md does not start with ./dev demo"
grep -qx '    ./dev test' "$source/README.md" || bad "README.md does not name ./dev test"
ok "$source/dev" help
for word in demo test build bench accuracy lint format asan clean; do
    says "  $word "
done
run "$source/dev" juggle
[ "$status" -eq 2 ] || bad "./dev juggle: exit status $status, want 2"
finish
