// The thin layer around one Verilated card. Built once a configuration with
//   SPACC_MODEL         class that Verilator made, Vspacc_4x4
//   SPACC_MODEL_HEADER  its header, "Vspacc_4x4.h"
//   SPACC_MODEL_CONFIG  "4x4"
//   SPACC_MODEL_OPS     name of the table, spacc_model_4x4
//   SPACC_MODEL_TRACES  1 for a model with FST tracing
#include <memory>
#include <new>

#include "sim/hooks.h"
#include "sim/model.h"
#include "sim/port.h"
#include SPACC_MODEL_HEADER
#include "verilated.h"
#if SPACC_MODEL_TRACES
#include "verilated_fst_c.h"
#endif

namespace
{

struct model {
    VerilatedContext context; // before card: it outlives it
    std::unique_ptr<SPACC_MODEL> card;
#if SPACC_MODEL_TRACES
    std::unique_ptr<VerilatedFstC> trace;
#endif
    spacc_model_log log{};
};

bool start_trace(model &m, const char *file)
{
#if SPACC_MODEL_TRACES
    m.context.traceEverOn(true);
    m.trace.reset(new VerilatedFstC);
    m.card->trace(m.trace.get(), 99);
    m.trace->set_time_unit("1ps");
    m.trace->set_time_resolution("1ps");
    m.trace->open(file);
    return m.trace->isOpen();
#else
    (void)m;
    (void)file;
    return false;
#endif
}

void dump(model &m, int64_t time_ps)
{
#if SPACC_MODEL_TRACES
    if (time_ps >= 0 && m.trace)
        m.trace->dump(static_cast<uint64_t>(time_ps));
#else
    (void)m;
    (void)time_ps;
#endif
}

void close_model(void *self)
{
    model *m = static_cast<model *>(self);
    if (!m)
        return;
    spacc_model_current = &m->log;
#if SPACC_MODEL_TRACES
    if (m->trace)
        m->trace->close();
#endif
    m->card->final();
    delete m;
    spacc_model_current = nullptr;
}

void *open_model(uint32_t seed, const char *trace_file)
try {
    std::unique_ptr<model> m(new model);
    spacc_model_current = &m->log;
    m->context.randReset(2);
    m->context.randSeed(static_cast<int>(seed & 0x7fffffffu) | 1);
    m->context.assertOn(true);
    m->card.reset(new SPACC_MODEL(&m->context));
    const bool ready = !trace_file || start_trace(*m, trace_file);
    spacc_model_current = nullptr;
    return ready ? m.release() : nullptr;
} catch (const std::bad_alloc &) {
    spacc_model_current = nullptr;
    return nullptr;
}

void drive(SPACC_MODEL &card, const spacc_pins_in &in)
{
    card.ap_rst_n = in.rst_n;
    card.s_axi_control_awvalid = in.lite_awvalid;
    card.s_axi_control_awaddr = in.lite_awaddr;
    card.s_axi_control_wvalid = in.lite_wvalid;
    card.s_axi_control_wdata = in.lite_wdata;
    card.s_axi_control_wstrb = in.lite_wstrb;
    card.s_axi_control_bready = in.lite_bready;
    card.s_axi_control_arvalid = in.lite_arvalid;
    card.s_axi_control_araddr = in.lite_araddr;
    card.s_axi_control_rready = in.lite_rready;
    card.m_axi_gmem_arready = in.arready;
    card.m_axi_gmem_rvalid = in.rvalid;
    if (in.rvalid)
        spacc_port_put(card.m_axi_gmem_rdata, in.rdata);
    card.m_axi_gmem_rlast = in.rlast;
    card.m_axi_gmem_rresp = in.rresp;
    card.m_axi_gmem_rid = 0;
    card.m_axi_gmem_awready = in.awready;
    card.m_axi_gmem_wready = in.wready;
    card.m_axi_gmem_bvalid = in.bvalid;
    card.m_axi_gmem_bresp = in.bresp;
    card.m_axi_gmem_bid = 0;
}

void sample(const SPACC_MODEL &card, spacc_pins_out &out)
{
    out.interrupt = card.__SYM__interrupt; // Verilator keeps the plain name for itself
    out.lite_awready = card.s_axi_control_awready;
    out.lite_wready = card.s_axi_control_wready;
    out.lite_bvalid = card.s_axi_control_bvalid;
    out.lite_bresp = card.s_axi_control_bresp;
    out.lite_arready = card.s_axi_control_arready;
    out.lite_rvalid = card.s_axi_control_rvalid;
    out.lite_rdata = card.s_axi_control_rdata;
    out.lite_rresp = card.s_axi_control_rresp;
    out.arvalid = card.m_axi_gmem_arvalid;
    out.araddr = card.m_axi_gmem_araddr;
    out.arlen = card.m_axi_gmem_arlen;
    out.arsize = card.m_axi_gmem_arsize;
    out.arburst = card.m_axi_gmem_arburst;
    out.rready = card.m_axi_gmem_rready;
    out.awvalid = card.m_axi_gmem_awvalid;
    out.awaddr = card.m_axi_gmem_awaddr;
    out.awlen = card.m_axi_gmem_awlen;
    out.awsize = card.m_axi_gmem_awsize;
    out.awburst = card.m_axi_gmem_awburst;
    out.wvalid = card.m_axi_gmem_wvalid;
    if (out.wvalid) {
        spacc_port_get(out.wdata, card.m_axi_gmem_wdata);
        out.wstrb = card.m_axi_gmem_wstrb;
    }
    out.wlast = card.m_axi_gmem_wlast;
    out.bready = card.m_axi_gmem_bready;
}

void tick(void *self, const spacc_pins_in *in, spacc_pins_out *out, int64_t time_ps,
          int64_t period_ps)
{
    model &m = *static_cast<model *>(self);
    SPACC_MODEL &card = *m.card;
    spacc_model_current = &m.log;
    m.context.timeInc(1); // messages carry the cycle
    drive(card, *in);
    card.ap_clk = 0;
    card.eval();
    sample(card, *out);
    dump(m, time_ps);
    card.ap_clk = 1;
    card.eval();
    dump(m, time_ps < 0 ? -1 : time_ps + period_ps / 2);
    spacc_model_current = nullptr;
}

const char *failure(const void *self)
{
    const model *m = static_cast<const model *>(self);
    return m->log.failure[0] ? m->log.failure : nullptr;
}

void clear(void *self)
{
    model *m = static_cast<model *>(self);
    m->log = spacc_model_log();
    m->context.gotError(false);
    m->context.gotFinish(false);
}

} // namespace

extern "C" {
extern const spacc_model_ops SPACC_MODEL_OPS;
const spacc_model_ops SPACC_MODEL_OPS = {
    SPACC_MODEL_CONFIG,
    SPACC_MODEL_TRACES,
    sizeof(SPACC_MODEL::m_axi_gmem_rdata),
    open_model,
    close_model,
    tick,
    failure,
    clear,
};
}
