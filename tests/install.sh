# Installs the build into a prefix of its own, builds a program against it by pkg-config,
# and runs that and the installed `spacc`.
build=$4 compiler=$5 flags=${6:-}
. "$2/tests/cli/lib.sh"

ok cmake --install "$build" --prefix "$work/prefix"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name spacc.pc)")
export PKG_CONFIG_PATH
cat >hello.c <<'END'
#include <spacc.h>

int main(int argc, char **argv)
{
    struct spacc_model *model;
    struct spacc_session *session;
    struct spacc_error err = {SPACC_OK, ""};
    const struct spacc_options options = {0};
    struct spacc_tensor *x, *y = NULL;

    if (argc < 2 || spacc_model_load(&model, argv[1], &err) ||
        spacc_tensor_new(&x, SPACC_F32, 2, (int64_t[]){3, 8}) ||
        spacc_session_new(&session, model, &options, &err) ||
        spacc_session_prepare(session, 1, (const struct spacc_tensor *const *)&x, &err) ||
        spacc_session_run(session, (const struct spacc_tensor *const *)&x, &y, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("spacc %s: %s is [%d,%d]\n", spacc_version(), spacc_model_output_name(model, 0),
           (int)y->dims[0], (int)y->dims[1]);
    spacc_tensor_free(x);
    spacc_tensor_free(y);
    spacc_session_free(session);
    spacc_model_free(model);
    return 0;
}
END
make matmul product.onnx --inputs 8 --hidden 5
libs=$(pkg-config --cflags --libs spacc) || bad "pkg-config does not find spacc"
# shellcheck disable=SC2086 # lists of flags
ok "$compiler" -std=c11 -Wall -Werror $flags hello.c -o hello $libs
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export LD_LIBRARY_PATH
ok ./hello product.onnx
says "spacc 0.1.0: y is [3,5]"
refused 1 "absent.onnx" ./hello absent.onnx
ok "$work/prefix/bin/spacc" --version
says "spacc 0.1.0"
finish
