"""What boards/package.py makes, read by the readers of its formats, against rtl/card.toml and
boards/boards.toml: names, offsets, sizes, files, pins. Vivado's and Vitis' own tools are not here:
the Tcl runs in tclsh with every command of theirs recorded (tests/vivado_stub.tcl)."""
import configparser
import importlib.util
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
import types
import unittest
import xml.etree.ElementTree as ElementTree

SOURCE = pathlib.Path(__file__).resolve().parents[1]
VITIS, ZYNQ = ("u50", "u55c", "kv260"), ("pynq-z2",)


def toml(name):
    return tomllib.loads((SOURCE / name).read_text())


def script(name):
    spec = importlib.util.spec_from_file_location(pathlib.Path(name).stem, SOURCE / name)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


CARD, BOARDS = toml("rtl/card.toml"), toml("boards/boards.toml")
PACKAGES = {p["name"]: p for p in BOARDS["package"]}
REGISTERS = {r["name"]: (r["offset"], r.get("bits", 32)) for r in CARD["register"]}
ARGUMENTS = ["PROGRAM_PTR", "WEIGHTS_PTR", "INPUT_PTR", "OUTPUT_PTR", "PROGRAM_BYTES", "WEIGHTS_BYTES",
             "INPUT_BYTES", "OUTPUT_BYTES", "WATCHDOG_CYCLES"]  # as host/card/xrt.c passes them
KERNEL_REGISTERS = {r["name"]: (r["offset"], r.get("bits", 32)) for r in CARD["kernel_register"]}
CONFIGS = {c["name"]: c for c in CARD["config"]}
HLS = (("u50", "16x16"), ("kv260", "128x32"))  # packages of the kernel from C
COUNTERS = {"COUNTER_" + c["name"]: (CARD["counters"]["base"] + 8 * i, 64)
            for i, c in enumerate(CARD["counter"])}


def config_of(package):
    board = next(b for b in BOARDS["board"] if b["name"] == PACKAGES[package]["card"])
    return board["config"], round(board["clock_mhz"] * 1e6)


def card_ports():
    """Ports of rtl/spacc_card.sv by the source itself: {name: way}."""
    text = (SOURCE / "rtl/spacc_card.sv").read_text().split(") (", 1)[1].split(");", 1)[0]
    return {name: way for way, name in re.findall(r"(input|output)\s+logic\s+(?:\[[^]]*\]\s*)?(\w+)", text)}


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp())
        for name in PACKAGES:
            subprocess.run([sys.executable, SOURCE / "boards/package.py", name, "--out", cls.work / name],
                           check=True, capture_output=True)

        for name, config in HLS:
            subprocess.run([sys.executable, SOURCE / "boards/package.py", name, "--hls", config, "--out", cls.hls(name)],
                           check=True, capture_output=True)

    @classmethod
    def hls(cls, name):
        return cls.work / (name + "-hls")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work)

    def test_every_board_that_is_named_has_a_package(self):
        self.assertEqual(sorted(PACKAGES), sorted(VITIS + ZYNQ))
        for name in VITIS:
            self.assertEqual(PACKAGES[name]["flow"], "vitis")
        self.assertEqual(config_of("u55c"), config_of("u50"))

    def test_another_board_is_refused_with_the_names(self):
        run = subprocess.run([sys.executable, SOURCE / "boards/package.py", "u200"], capture_output=True, text=True,
                             check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("u200: no such board; there are u50, u55c, kv260, pynq-z2", run.stderr)

    def refused(self, *arguments):
        run = subprocess.run([sys.executable, SOURCE / "boards/package.py", *arguments], capture_output=True, text=True,
                             check=False)
        self.assertEqual(run.returncode, 1)
        return run.stderr

    def test_a_kernel_from_c_is_for_xrt_and_of_a_configuration_that_there_is(self):
        self.assertIn("pynq-z2: --hls is for boards behind XRT", self.refused("pynq-z2", "--hls"))
        self.assertIn("has no configuration '3x3'; it has 4x4, 16x16", self.refused("u50", "--hls", "3x3"))

    # ---- the RTL ------------------------------------------------------------------------

    def sources(self, name):
        text = (self.work / name / "card.tcl").read_text()
        return re.search(r"set card\(sources\) \{(.*?)\}", text, re.S).group(1).split()

    def test_the_sources_are_all_there_and_are_those_of_the_card(self):
        listed = re.search(r"foreach\(name (card .*?)\)", (SOURCE / "rtl/CMakeLists.txt").read_text(), re.S)
        want = sorted(f"rtl/spacc_{name}.sv" for name in listed.group(1).split())
        for name in PACKAGES:
            files = self.sources(name)
            self.assertEqual(files[0], "rtl/spacc_card_pkg.sv")
            self.assertEqual(files[-1], "spacc_kernel.v")
            self.assertEqual(sorted(files[1:-1]), want)
            for file in files:
                self.assertTrue((self.work / name / file).is_file(), file)
            for file in want:
                self.assertEqual((self.work / name / file).read_text(), (SOURCE / file).read_text())

    def test_the_top_has_the_cards_ports_and_the_boards_parameters(self):
        parameters = script("boards/synth.py").PARAMETERS
        for name in PACKAGES:
            text = (self.work / name / "spacc_kernel.v").read_text()
            config, _ = config_of(name)
            ports = {n: w for w, n in re.findall(r"^  (input|output)\s+wire\s+(?:\[[^]]*\]\s*)?(\w+)", text, re.M)}
            self.assertEqual(ports, card_ports())
            self.assertEqual(sorted(re.findall(r"\.(\w+)\(\1\)", text)), sorted(ports))
            given = {n: int(v) for n, v in re.findall(r"\.(\w+)\((\d+)\)", text)}
            self.assertEqual(given, {parameters[k]: v for k, v in config.items() if (k, v) != ("small_cell", 0)})
            for strobes, bits in ((1, config["axi_bits"]), (8, config["axi_bits"] // 8)):
                self.assertEqual(len(re.findall(rf"\[{bits - 1}:0\] +m_axi_gmem_[rw]{'data' if strobes == 1 else 'strb'}",
                                                text)), 2 if strobes == 1 else 1)

    @unittest.skipUnless(shutil.which("verilator"), "skipped: no verilator")
    def test_verilator_builds_the_top_from_the_folder_alone(self):
        for name in ("pynq-z2", "kv260"):
            run = subprocess.run(["verilator", "--lint-only", "-Wall", "--top-module", "spacc_kernel",
                                  SOURCE / "rtl/verilator_waiver.vlt", *self.sources(name)],
                                 cwd=self.work / name, capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)

    # ---- Vitis --------------------------------------------------------------------------

    def test_kernel_xml_has_the_arguments_of_the_register_map(self):
        for name in VITIS:
            self.check_kernel_xml(self.work / name, config_of(name)[0], ARGUMENTS)
        for name, config in HLS:
            self.check_kernel_xml(self.hls(name), CONFIGS[config], [*ARGUMENTS, "STATE_PTR"])

    def check_kernel_xml(self, folder, config, arguments):
        kernel = ElementTree.parse(folder / "kernel.xml").getroot().find("kernel")
        number = CARD["identity"]["version"]
        self.assertEqual(kernel.get("name"), "spacc_card")
        self.assertEqual(kernel.get("vlnv"), f"spacc:kernel:spacc_card:{number >> 16}.{number & 0xffff}")
        self.assertEqual(kernel.get("hwControlProtocol"), "ap_ctrl_hs")
        self.assertEqual(kernel.get("interrupt"), "true")
        self.assertEqual(kernel.get("language"), "ip_c")
        args = kernel.findall("args/arg")
        self.assertEqual([a.get("name") for a in args], [n.lower() for n in arguments])
        for i, arg in enumerate(args):
            offset, bits = {**REGISTERS, **KERNEL_REGISTERS}[arguments[i]]
            self.assertEqual(int(arg.get("id")), i)
            self.assertEqual(int(arg.get("offset"), 16), offset)
            self.assertEqual(int(arg.get("size"), 16), bits // 8)
            self.assertEqual(int(arg.get("hostSize"), 16), bits // 8)
            self.assertEqual(arg.get("addressQualifier"), "1" if bits == 64 else "0")
            self.assertEqual(arg.get("port"), "m_axi_gmem" if bits == 64 else "s_axi_control")
        slave, master = kernel.findall("ports/port")
        self.assertEqual((slave.get("name"), slave.get("mode"), slave.get("dataWidth")),
                         ("s_axi_control", "slave", "32"))
        end = max(offset + bits // 8 for offset, bits in [*REGISTERS.values(), *COUNTERS.values(), *KERNEL_REGISTERS.values()])
        self.assertLessEqual(end, int(slave.get("range"), 16))
        self.assertEqual((master.get("name"), master.get("mode"), int(master.get("dataWidth"))),
                         ("m_axi_gmem", "master", config["axi_bits"]))

    def test_kernel_xml_is_what_our_own_xclbin_says(self):
        """Which XRT accepts: tests/test_xrt.c."""
        folders = [(self.work / name, False) for name in VITIS] + [(self.hls(name), True) for name, _ in HLS]
        for folder, state in folders:
            options = types.SimpleNamespace(kernel="spacc_card", state=state)
            ours = ElementTree.fromstring(script("tests/make_xclbin.py").metadata(options).decode())
            theirs = ElementTree.parse(folder / "kernel.xml").getroot()
            for a, b in zip(ours.iter("arg"), theirs.iter("arg"), strict=True):
                for key in ("name", "addressQualifier", "id", "hostOffset", "type"):
                    self.assertEqual(a.get(key), b.get(key))
                for key in ("size", "offset", "hostSize"):
                    self.assertEqual(int(a.get(key), 16), int(b.get(key), 16))
                self.assertEqual(a.get("port").lower(), b.get("port"))

    def test_link_cfg_names_one_kernel_one_bank_and_the_clock(self):
        for name in VITIS:
            _, clock_hz = config_of(name)
            parser = configparser.ConfigParser(delimiters="=")
            parser.read_string("[top]\n" + (self.work / name / "link.cfg").read_text())
            self.assertEqual(dict(parser["top"]), {"platform": PACKAGES[name]["platform"]}
                             if "platform" in PACKAGES[name] else {})
            self.assertEqual(dict(parser["connectivity"]), {
                "nk": "spacc_card:1:spacc_card_1", "sp": "spacc_card_1.m_axi_gmem:" + PACKAGES[name]["memory"]})
            self.assertEqual(dict(parser["clock"]), {"freqhz": f"{clock_hz}:spacc_card_1.ap_clk"})
            self.assertIn("spacc_card", (SOURCE / "host/card/xrt.h").read_text())
        for name in ("u50", "u55c"):
            self.assertTrue(PACKAGES[name]["platform"].startswith(f"xilinx_{name}_gen"))

    # ---- Tcl ----------------------------------------------------------------------------

    def record(self, name, file):
        """Calls of Vivado that a script makes: [[command, word, ...]]."""
        if not shutil.which("tclsh"):
            self.skipTest("skipped: no tclsh")
        run = subprocess.run(["tclsh", SOURCE / "tests/vivado_stub.tcl", self.work / name / file],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        return [line.split("\t") for line in run.stdout.splitlines()]

    def check_ip(self, name, calls):
        """Files, registers and buses of the IP."""
        folder = self.work / name
        added = [c[-1] for c in calls if c[0] == "add_files"]
        self.assertEqual(added[:len(self.sources(name))], [str(folder / s) for s in self.sources(name)])
        self.assertIn(["set_property", "top", "spacc_kernel", "<current_fileset current_fileset>"], calls)
        self.assertIn(["set_property", "name", "spacc_card", "<ipx::current_core ipx::current_core>"], calls)
        self.assertIn(["create_project", "-force", "package", str(folder / "vivado/project"), "-part",
                       PACKAGES[name]["part"]], calls)
        registers, masters, at = {}, set(), None
        for call in calls:
            if call[0] == "ipx::add_register":
                at = call[1]
                registers[at] = {}
            elif call[0] == "set_property" and call[-1] == "<ipx::add_register <ipx::add_address_block <ipx::add_memory_map <ipx::current_core ipx::current_core>>>>":
                registers[at][call[1]] = call[2]
            elif call[0] == "ipx::add_register_parameter":
                masters.add(at)
        want = {**REGISTERS, **COUNTERS}
        self.assertEqual({n: (int(r["address_offset"], 16), int(r["size"])) for n, r in registers.items()}, want)
        self.assertEqual(masters, {n for n in ARGUMENTS if REGISTERS[n][1] == 64})
        texts = {r["name"]: r["text"] for r in CARD["register"]}
        for register, text in texts.items():
            self.assertEqual(registers[register]["description"], text)
        for bus in ("s_axi_control", "m_axi_gmem"):
            self.assertIn(["ipx::associate_bus_interfaces", "-busif", bus, "-clock", "ap_clk",
                           "<ipx::current_core ipx::current_core>"], calls)
        for port in ("ap_clk", "ap_rst_n", "interrupt"):
            self.assertIn(port, card_ports())
            kind = {"ap_clk": "clock", "ap_rst_n": "reset", "interrupt": "interrupt"}[port]
            self.assertIn(["ipx::infer_bus_interface", port, f"xilinx.com:signal:{kind}_rtl:1.0",
                           "<ipx::current_core ipx::current_core>"], calls)
        saved = [i for i, c in enumerate(calls) if c[0] == "ipx::save_core"]
        last = max(i for i, c in enumerate(calls) if c[0] == "set_property" and "ipx::" in c[-1])
        self.assertEqual(len(saved), 1)
        self.assertLess(last, saved[0])

    def test_package_xo_describes_the_card_and_packs_it(self):
        for name in VITIS:
            calls = self.record(name, "package_xo.tcl")
            self.check_ip(name, calls)
            folder = self.work / name
            self.assertEqual(calls[-1], ["package_xo", "-force", "-xo_path", str(folder / "spacc_card.xo"),
                                         "-kernel_name", "spacc_card", "-ip_directory", str(folder / "vivado/ip"),
                                         "-kernel_xml", str(folder / "kernel.xml")])
            self.assertIn(["set_property", "vitis_drc", "ctrl_protocol ap_ctrl_hs",
                           "<ipx::current_core ipx::current_core>"], calls)

    # ---- the kernel from C --------------------------------------------------------------

    def fake_tools(self, folder, lines):
        """A v++ that compiles what it is told with cc and leaves an IP, a vivado that runs Tcl with every
        command recorded in `lines`."""
        tools = {"v++": """#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    -c) ;;
    --mode) [ "$2" = hls ] || exit 3; shift ;;
    --config) config=$2; shift ;;
    --work_dir) work=$2; shift ;;
    --hls.syn.cflags=*) flags=${1#*=} ;;
    *) exit 4 ;;
    esac
    shift
done
cc -std=c11 -Wno-unknown-pragmas -c $flags "$(sed -n 's/^syn.file=//p' "$config")" -o kernel.o || exit 5
mkdir -p "$work/hls/impl/ip" && : >"$work/hls/impl/ip/component.xml"
""", "vivado": f"""#!/bin/sh
[ "$1 $2 $3" = "-mode batch -source" ] || exit 3
exec tclsh '{SOURCE}/tests/vivado_stub.tcl' "$PWD/$4" >'{lines}'
"""}
        folder.mkdir()
        for name, text in tools.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def test_build_hls_compiles_the_folder_alone_and_packs_the_ip(self):
        if not shutil.which("tclsh"):
            self.skipTest("skipped: no tclsh")
        for name, config in HLS:
            folder, lines = self.work / (name + "-copy"), self.work / (name + ".calls")
            shutil.copytree(self.hls(name), folder)
            self.fake_tools(self.work / (name + "-tools"), lines)
            path = f"{self.work / (name + '-tools')}:/usr/bin:/bin"
            run = subprocess.run(["sh", folder / "build_hls.sh"], env={"PATH": path}, capture_output=True, text=True,
                                 check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            calls = [line.split("\t") for line in lines.read_text().splitlines()]
            ip = str(folder / "hls_work/hls/impl/ip")
            core = f"<ipx::open_core {ip}/component.xml>"
            kernel = ElementTree.parse(folder / "kernel.xml").getroot().find("kernel")
            vlnv = [next(c[2] for c in calls if c[:2] == ["set_property", key] and c[3] == core)
                    for key in ("vendor", "library", "name", "version")]
            self.assertEqual(":".join(vlnv), kernel.get("vlnv"))
            self.assertIn(["create_project", "-in_memory", "-part", PACKAGES[name]["part"]], calls)
            self.assertIn(["set_property", "sdx_kernel", "true", core], calls)
            self.assertEqual(calls[-1], ["package_xo", "-force", "-xo_path", str(folder / "spacc_card.xo"),
                                         "-kernel_name", "spacc_card", "-ip_directory", ip,
                                         "-kernel_xml", str(folder / "kernel.xml")])
            # Compiled with that configuration: its PEs and lanes are in the object.
            self.assertIn(f"set card(config) {config}\n", (folder / "card.tcl").read_text())
            text = subprocess.run(["nm", "-S", folder / "kernel.o"], capture_output=True, text=True, check=True).stdout
            weights = next(line.split() for line in text.splitlines() if line.endswith(" weight_memory"))
            c = CONFIGS[config]
            self.assertEqual(int(weights[1], 16), 2 * c["weight_words"] * c["pes"] * c["lanes"])

    def test_build_hls_says_what_is_missing(self):
        for tools, missing in ((("v++",), "vivado"), (("vivado",), "v++")):
            folder = self.work / ("only-" + tools[0])
            folder.mkdir()
            for tool in tools:
                (folder / tool).write_text("#!/bin/sh\nexit 9\n")
                (folder / tool).chmod(0o755)
            (folder / "dirname").symlink_to(shutil.which("dirname"))
            run = subprocess.run(["/bin/sh", self.hls("u50") / "build_hls.sh"], env={"PATH": str(folder)},
                                 capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 1)
            self.assertIn(f"no {missing} here: install Vitis 2023.2 or later", run.stderr)

    def test_packing_before_vitis_hls_ran_says_so(self):
        if not shutil.which("tclsh"):
            self.skipTest("skipped: no tclsh")
        run = subprocess.run(["tclsh", SOURCE / "tests/vivado_stub.tcl", self.hls("u50") / "package_hls_xo.tcl"],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("v++ --mode hls has to run first", run.stderr)

    def test_the_configuration_for_hls_is_that_of_board_and_kernel(self):
        for name, config in HLS:
            folder = self.hls(name)
            lines = [l for l in (folder / "hls_config.cfg").read_text().splitlines() if l and l[0] not in "#["]
            facts = dict(line.split("=", 1) for line in lines)
            self.assertEqual(facts["part"], PACKAGES[name]["part"])
            self.assertEqual(facts["flow_target"], "vivado")
            self.assertEqual(facts["syn.top"], "spacc_card")
            self.assertTrue((folder / facts["syn.file"]).is_file())
            self.assertAlmostEqual(float(facts["clock"].removesuffix("ns")) * config_of(name)[1], 1e9)
            for end in ("min", "max_widen"):
                self.assertEqual(int(facts[f"syn.interface.m_axi_{end}_bitwidth"]), CONFIGS[config]["axi_bits"])
            self.assertEqual((folder / "link.cfg").read_text(), (self.work / name / "link.cfg").read_text())
            for file in ("spacc_card.c", "spacc_program.h", "spacc_numbers.h", "spacc_kernel.h"):
                self.assertEqual((folder / "hls" / file).read_text(), (SOURCE / "hls" / file).read_text())

    # ---- Zynq ---------------------------------------------------------------------------

    def test_the_block_design_connects_everything_once(self):
        name, = ZYNQ
        folder = self.work / name
        config, clock_hz = config_of(name)
        hand_off = folder / "vivado/design/spacc.gen/sources_1/bd/spacc/hw_handoff"
        hand_off.mkdir(parents=True)
        (hand_off / "spacc.hwh").write_text("hwh")
        calls = self.record(name, "block_design.tcl")
        self.check_ip(name, calls)
        self.assertEqual((folder / "spacc.hwh").read_text(), "hwh")

        cells = {c[-1]: c[c.index("-vlnv") + 1] for c in calls if c[0] == "create_bd_cell"}
        number = CARD["identity"]["version"]
        self.assertEqual(cells["spacc_card_0"], f"spacc:kernel:spacc_card:{number >> 16}.{number & 0xffff}")
        pins = {"ap_clk", "ap_rst_n", "interrupt"}
        self.assertEqual(pins, {p for p in card_ports() if "_axi_" not in p})
        pairs = [[word.split()[-1].rstrip(">") for word in c[1:]] for c in calls
                 if c[0] in ("connect_bd_net", "connect_bd_intf_net")]
        sinks = [pair[1] for pair in pairs]
        self.assertEqual(len(sinks), len(set(sinks)), "a pin is driven twice")
        used = {pin for pair in pairs for pin in pair}
        for pin in pins | {"s_axi_control", "m_axi_gmem"}:
            self.assertIn("spacc_card_0/" + pin, used)
        for pin in used:
            self.assertIn(pin.split("/")[0], cells)
        self.assertIn(["spacc_card_0/interrupt", "ps/IRQ_F2P"], pairs)
        for pin in ("ps/M_AXI_GP0_ACLK", "ps/S_AXI_HP0_ACLK", "spacc_card_0/ap_clk", "to_card/aclk", "to_memory/aclk"):
            self.assertIn(["ps/FCLK_CLK0", pin], pairs)

        settings = next(c for c in calls if c[:2] == ["set_property", "-dict"] and "PCW_USE" in c[2])[2].split()
        settings = dict(zip(settings[::2], settings[1::2]))
        self.assertEqual(int(settings["CONFIG.PCW_S_AXI_HP0_DATA_WIDTH"]), config["axi_bits"])
        self.assertEqual(float(settings["CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ"]) * 1e6, clock_hz)
        where, master = [c for c in calls if c[0] == "assign_bd_address"]
        self.assertEqual(int(where[where.index("-offset") + 1], 16), PACKAGES[name]["registers"])
        self.assertEqual(int(where[where.index("-range") + 1]), 4096)
        self.assertIn("spacc_card_0/s_axi_control", where[-1])
        self.assertIn("spacc_card_0/m_axi_gmem", " ".join(master))

    # ---- Linux --------------------------------------------------------------------------

    def blob(self, text):
        """Properties of a compiled tree by path: {path/name: bytes}."""
        if not shutil.which("dtc"):
            self.skipTest("skipped: no dtc (device-tree-compiler)")
        run = subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb"], input=text, capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        data = run.stdout
        at, strings = struct.unpack(">II", data[8:16])
        path, found = [], {}
        while True:
            token, = struct.unpack(">I", data[at:at + 4])
            at += 4
            if token == 1:
                end = data.index(b"\0", at)
                path.append(data[at:end].decode())
                at = end + 4 - end % 4
            elif token == 2:
                path.pop()
            elif token == 3:
                size, name = struct.unpack(">II", data[at:at + 8])
                name = data[strings + name:data.index(b"\0", strings + name)].decode()
                found["/".join(path) + "/" + name] = data[at + 8:at + 8 + size]
                at += 8 + (size + 3) // 4 * 4
            elif token == 9:
                return found

    def test_the_overlay_is_where_the_block_design_put_the_card(self):
        name, = ZYNQ
        package = PACKAGES[name]
        found = self.blob((self.work / name / "spacc.dtso").read_bytes())
        card = f"/fragment@0/__overlay__/spacc@{package['registers']:x}/"
        buffer = "/fragment@0/__overlay__/udmabuf0/"
        self.assertEqual(found[card + "compatible"], b"generic-uio\0")
        self.assertEqual(struct.unpack(">II", found[card + "reg"]), (package["registers"], 4096))
        self.assertEqual(struct.unpack(">III", found[card + "interrupts"]), (0, package["interrupt"], 4))
        self.assertEqual(struct.unpack(">I", found[card + "clock-frequency"])[0], config_of(name)[1])
        self.assertEqual(found[buffer + "compatible"], b"ikwzm,u-dma-buf\0")
        self.assertEqual(found[buffer + "device-name"], b"udmabuf0\0")
        self.assertEqual(struct.unpack(">I", found[buffer + "size"])[0], package["buffer_bytes"])
        self.assertEqual(found["/__fixups__/intc"], (card + ":interrupt-parent:0\0").replace("/:", ":").encode())

    def test_the_pynq_script_takes_the_same_buffer(self):
        name, = ZYNQ
        text = (self.work / name / "spacc_pynq.py").read_text()
        compile(text, "spacc_pynq.py", "exec")
        self.assertIn('ip_dict["spacc_card_0"]', text)
        self.assertEqual(eval(re.search(r"BUFFER_BYTES = (.*)", text).group(1)), PACKAGES[name]["buffer_bytes"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
