/// The card's registers behind AXI4-Lite, with the control words of Vitis' ap_ctrl_hs.
///
/// One read and one write at a time; every access is answered with OKAY, two cycles
/// after its address (and data, in any order) at the earliest. Unknown offsets read 0
/// and ignore writes. The two low address bits are ignored; write strobes are honoured.
///
/// A start written while the card is idle pulses `start_o`. `done_i` ends the run: start
/// clears, unless auto-restart is set, which starts again two cycles later. Done and
/// ready clear when AP_CTRL is read. A start written in the cycle of `done_i` counts
/// for a new run. Arguments may be written at any time and are not copied: the card
/// sees a change at once.
///
/// A counter is read low word first: that read keeps the high word for the next.
module spacc_axi_lite #(
  // What the configuration registers say.
  parameter int unsigned Pes          = 4,
  parameter int unsigned Lanes        = 4,
  parameter int unsigned Cells        = 1,
  parameter int unsigned SharedRows   = 1,
  parameter int unsigned WeightBits   = 16,
  parameter int unsigned ActBits      = 16,
  parameter int unsigned IndexBits    = 8,
  parameter int unsigned AxiBits      = 64,
  parameter int unsigned WeightWords  = 4096,
  parameter int unsigned XWords       = 512,
  parameter int unsigned HWords       = 512,
  parameter int unsigned Units        = 512,
  parameter int unsigned PsumWords    = 32,
  parameter int unsigned Instructions = 64,
  parameter int unsigned Queue        = 0
) (
  input  logic         clk_i,
  input  logic         rst_ni,          // synchronous, active low
  // AXI4-Lite
  input  logic         s_axi_awvalid_i,
  output logic         s_axi_awready_o,
  input  logic [11:0]  s_axi_awaddr_i,
  input  logic         s_axi_wvalid_i,
  output logic         s_axi_wready_o,
  input  logic [31:0]  s_axi_wdata_i,
  input  logic [3:0]   s_axi_wstrb_i,
  output logic         s_axi_bvalid_o,
  input  logic         s_axi_bready_i,
  output logic [1:0]   s_axi_bresp_o,
  input  logic         s_axi_arvalid_i,
  output logic         s_axi_arready_o,
  input  logic [11:0]  s_axi_araddr_i,
  output logic         s_axi_rvalid_o,
  input  logic         s_axi_rready_i,
  output logic [31:0]  s_axi_rdata_o,
  output logic [1:0]   s_axi_rresp_o,
  // the card
  output logic         interrupt_o,
  output logic         start_o,         // pulse
  input  logic         done_i,          // pulse, only between start_o and the next one
  output logic [63:0]  program_ptr_o,
  output logic [63:0]  weights_ptr_o,
  output logic [63:0]  input_ptr_o,
  output logic [63:0]  output_ptr_o,
  output logic [31:0]  program_bytes_o,
  output logic [31:0]  weights_bytes_o,
  output logic [31:0]  input_bytes_o,
  output logic [31:0]  output_bytes_o,
  output logic [31:0]  watchdog_cycles_o,
  input  logic [31:0]  error_code_i,
  input  logic [31:0]  error_pc_i,
  input  logic [63:0]  error_address_i,
  input  logic [spacc_card_pkg::Counters*64-1:0] counters_i // counter 0 lowest
);

  // Sequences of a batch stand together in memory only where M/4 units are one beat.
  localparam int unsigned BatchMax = Pes / 4 * 16 == AxiBits ? 255 : 1;

  localparam logic [11:0] CountersEnd =
      spacc_card_pkg::RegCounters + 12'(8 * spacc_card_pkg::Counters);

  // A write waits here until both its halves have come.
  logic        aw_held_q, w_held_q, write;
  logic [11:0] aw_q;
  logic [31:0] wdata_q, wmask;
  logic [3:0]  wstrb_q;
  // A read: address kept for a cycle, then the answer.
  logic        ar_held_q, read;
  logic [11:0] ar_q;
  logic [8:0]  counter_index;
  logic [31:0] rdata, high_q;
  logic [63:0] counter;
  logic        is_counter;
  // ap_ctrl_hs
  logic        start_q, running_q, done_q, ready_q, auto_q, gier_q;
  logic [1:0]  ier_q, isr_q;

  assign s_axi_awready_o = !aw_held_q;
  assign s_axi_wready_o  = !w_held_q;
  assign s_axi_bresp_o   = 2'd0;
  assign s_axi_arready_o = !ar_held_q;
  assign s_axi_rresp_o   = 2'd0;

  assign write = aw_held_q && w_held_q && (!s_axi_bvalid_o || s_axi_bready_i);
  assign read  = ar_held_q && (!s_axi_rvalid_o || s_axi_rready_i);
  assign wmask = {{8{wstrb_q[3]}}, {8{wstrb_q[2]}}, {8{wstrb_q[1]}}, {8{wstrb_q[0]}}};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_held_q      <= 1'b0;
      w_held_q       <= 1'b0;
      ar_held_q      <= 1'b0;
      s_axi_bvalid_o <= 1'b0;
      s_axi_rvalid_o <= 1'b0;
    end else begin
      if (s_axi_awvalid_i && s_axi_awready_o) aw_held_q <= 1'b1;
      else if (write)                         aw_held_q <= 1'b0;
      if (s_axi_wvalid_i && s_axi_wready_o)   w_held_q <= 1'b1;
      else if (write)                         w_held_q <= 1'b0;
      if (write)                              s_axi_bvalid_o <= 1'b1;
      else if (s_axi_bready_i)                s_axi_bvalid_o <= 1'b0;
      if (s_axi_arvalid_i && s_axi_arready_o) ar_held_q <= 1'b1;
      else if (read)                          ar_held_q <= 1'b0;
      if (read)                               s_axi_rvalid_o <= 1'b1;
      else if (s_axi_rready_i)                s_axi_rvalid_o <= 1'b0;
    end
    if (s_axi_awvalid_i && s_axi_awready_o) aw_q <= {s_axi_awaddr_i[11:2], 2'd0};
    if (s_axi_wvalid_i && s_axi_wready_o) begin
      wdata_q <= s_axi_wdata_i;
      wstrb_q <= s_axi_wstrb_i;
    end
    if (s_axi_arvalid_i && s_axi_arready_o) ar_q <= {s_axi_araddr_i[11:2], 2'd0};
    if (read) s_axi_rdata_o <= rdata;
  end

  // ap_ctrl_hs: what a host writes wins over what the card clears in the same cycle.
  assign start_o     = start_q && !running_q;
  assign interrupt_o = gier_q && isr_q != 2'd0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      start_q   <= 1'b0;
      running_q <= 1'b0;
      done_q    <= 1'b0;
      ready_q   <= 1'b0;
      auto_q    <= 1'b0;
      gier_q    <= 1'b0;
      ier_q     <= 2'd0;
      isr_q     <= 2'd0;
    end else begin
      if (start_o)     running_q <= 1'b1;
      else if (done_i) running_q <= 1'b0;

      if (write && aw_q == spacc_card_pkg::RegApCtrl && wmask[0] && wdata_q[0]) start_q <= 1'b1;
      else if (done_i) start_q <= auto_q;

      if (done_i) {done_q, ready_q} <= 2'b11;
      else if (read && ar_q == spacc_card_pkg::RegApCtrl) {done_q, ready_q} <= 2'b00;

      if (write && wmask[0]) begin
        if (aw_q == spacc_card_pkg::RegApCtrl) auto_q <= wdata_q[7];
        if (aw_q == spacc_card_pkg::RegGier)   gier_q <= wdata_q[0];
        if (aw_q == spacc_card_pkg::RegIpIer)  ier_q  <= wdata_q[1:0];
      end

      // An event that the host toggles away in the same cycle stays.
      isr_q <= (isr_q ^ (write && wmask[0] && aw_q == spacc_card_pkg::RegIpIsr
                         ? wdata_q[1:0] : 2'd0)) | (done_i ? ier_q : 2'd0);
    end
  end

  // Arguments
  function automatic logic [31:0] merge(input logic [31:0] old, input logic [31:0] data,
                                        input logic [31:0] mask);
    merge = (old & ~mask) | (data & mask);
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      program_ptr_o     <= '0;
      weights_ptr_o     <= '0;
      input_ptr_o       <= '0;
      output_ptr_o      <= '0;
      program_bytes_o   <= '0;
      weights_bytes_o   <= '0;
      input_bytes_o     <= '0;
      output_bytes_o    <= '0;
      watchdog_cycles_o <= spacc_card_pkg::ResetWatchdogCycles;
    end else if (write) begin
      case (aw_q)
        spacc_card_pkg::RegProgramPtr:
          program_ptr_o[31:0]  <= merge(program_ptr_o[31:0], wdata_q, wmask);
        spacc_card_pkg::RegProgramPtr + 12'd4:
          program_ptr_o[63:32] <= merge(program_ptr_o[63:32], wdata_q, wmask);
        spacc_card_pkg::RegWeightsPtr:
          weights_ptr_o[31:0]  <= merge(weights_ptr_o[31:0], wdata_q, wmask);
        spacc_card_pkg::RegWeightsPtr + 12'd4:
          weights_ptr_o[63:32] <= merge(weights_ptr_o[63:32], wdata_q, wmask);
        spacc_card_pkg::RegInputPtr:
          input_ptr_o[31:0]    <= merge(input_ptr_o[31:0], wdata_q, wmask);
        spacc_card_pkg::RegInputPtr + 12'd4:
          input_ptr_o[63:32]   <= merge(input_ptr_o[63:32], wdata_q, wmask);
        spacc_card_pkg::RegOutputPtr:
          output_ptr_o[31:0]   <= merge(output_ptr_o[31:0], wdata_q, wmask);
        spacc_card_pkg::RegOutputPtr + 12'd4:
          output_ptr_o[63:32]  <= merge(output_ptr_o[63:32], wdata_q, wmask);
        spacc_card_pkg::RegProgramBytes:
          program_bytes_o      <= merge(program_bytes_o, wdata_q, wmask);
        spacc_card_pkg::RegWeightsBytes:
          weights_bytes_o      <= merge(weights_bytes_o, wdata_q, wmask);
        spacc_card_pkg::RegInputBytes:
          input_bytes_o        <= merge(input_bytes_o, wdata_q, wmask);
        spacc_card_pkg::RegOutputBytes:
          output_bytes_o       <= merge(output_bytes_o, wdata_q, wmask);
        spacc_card_pkg::RegWatchdogCycles:
          watchdog_cycles_o    <= merge(watchdog_cycles_o, wdata_q, wmask);
        default: ;
      endcase
    end
  end

  // Counters
  assign is_counter    = ar_q >= spacc_card_pkg::RegCounters && ar_q < CountersEnd;
  assign counter_index = 9'((ar_q - spacc_card_pkg::RegCounters) >> 3);

  always_comb begin
    counter = 64'd0;
    if (read) for (int unsigned i = 0; i < spacc_card_pkg::Counters; i++)
      if (counter_index == 9'(i)) counter = counters_i[64*i +: 64];
  end

  always_ff @(posedge clk_i)
    if (read && is_counter && !ar_q[2]) high_q <= counter[63:32];

  // Answers. Only worked out when asked for, here and above: that saves simulation time.
  always_comb begin
    if (!read) rdata = 32'd0;
    else case (ar_q)
      spacc_card_pkg::RegApCtrl:
        rdata = {24'd0, auto_q, 3'd0, ready_q, !start_q && !running_q, done_q, start_q};
      spacc_card_pkg::RegGier:                     rdata = {31'd0, gier_q};
      spacc_card_pkg::RegIpIer:                    rdata = {30'd0, ier_q};
      spacc_card_pkg::RegIpIsr:                    rdata = {30'd0, isr_q};
      spacc_card_pkg::RegProgramPtr:               rdata = program_ptr_o[31:0];
      spacc_card_pkg::RegProgramPtr + 12'd4:       rdata = program_ptr_o[63:32];
      spacc_card_pkg::RegWeightsPtr:               rdata = weights_ptr_o[31:0];
      spacc_card_pkg::RegWeightsPtr + 12'd4:       rdata = weights_ptr_o[63:32];
      spacc_card_pkg::RegInputPtr:                 rdata = input_ptr_o[31:0];
      spacc_card_pkg::RegInputPtr + 12'd4:         rdata = input_ptr_o[63:32];
      spacc_card_pkg::RegOutputPtr:                rdata = output_ptr_o[31:0];
      spacc_card_pkg::RegOutputPtr + 12'd4:        rdata = output_ptr_o[63:32];
      spacc_card_pkg::RegProgramBytes:             rdata = program_bytes_o;
      spacc_card_pkg::RegWeightsBytes:             rdata = weights_bytes_o;
      spacc_card_pkg::RegInputBytes:               rdata = input_bytes_o;
      spacc_card_pkg::RegOutputBytes:              rdata = output_bytes_o;
      spacc_card_pkg::RegWatchdogCycles:           rdata = watchdog_cycles_o;
      spacc_card_pkg::RegIdentity:                 rdata = spacc_card_pkg::IdentityMagic;
      spacc_card_pkg::RegVersion:                  rdata = spacc_card_pkg::IdentityVersion;
      spacc_card_pkg::RegConfigArray:              rdata = {16'(Lanes), 16'(Pes)};
      spacc_card_pkg::RegConfigWidths:
        rdata = {8'(AxiBits / 8), 8'(IndexBits), 8'(ActBits), 8'(WeightBits)};
      spacc_card_pkg::RegConfigWeightWords:        rdata = WeightWords;
      spacc_card_pkg::RegConfigVectorWords:        rdata = {16'(HWords), 16'(XWords)};
      spacc_card_pkg::RegConfigUnits:              rdata = Units;
      spacc_card_pkg::RegConfigInstructions:       rdata = {15'd0, SharedRows == 4, 16'(Instructions)};
      spacc_card_pkg::RegConfigCells:
        rdata = {16'(PsumWords), 8'(BatchMax), 8'(Cells)};
      spacc_card_pkg::RegConfigMasks:
        rdata = {Queue > 0 ? 16'(spacc_card_pkg::MaskBeats) : 16'd0, 8'd0, 8'(Queue)};
      spacc_card_pkg::RegErrorCode:                rdata = error_code_i;
      spacc_card_pkg::RegErrorPc:                  rdata = error_pc_i;
      spacc_card_pkg::RegErrorAddress:             rdata = error_address_i[31:0];
      spacc_card_pkg::RegErrorAddress + 12'd4:     rdata = error_address_i[63:32];
      default: rdata = !is_counter ? 32'd0 : ar_q[2] ? high_q : counter[31:0];
    endcase
  end

`ifndef SYNTHESIS
  DoneWhileRunning: assert property (@(posedge clk_i) disable iff (!rst_ni)
      done_i |-> running_q)
      else $error("done without a start");

  BHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_axi_bvalid_o && !s_axi_bready_i |=> s_axi_bvalid_o)
      else $error("B fell before it was taken");

  RHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_axi_rvalid_o && !s_axi_rready_i |=> s_axi_rvalid_o && $stable(s_axi_rdata_o))
      else $error("R changed before it was taken");

  AwHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_axi_awvalid_i && !s_axi_awready_o |=> s_axi_awvalid_i && $stable(s_axi_awaddr_i))
      else $error("AW changed before it was taken");

  WHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_axi_wvalid_i && !s_axi_wready_o
      |=> s_axi_wvalid_i && $stable({s_axi_wdata_i, s_axi_wstrb_i}))
      else $error("W changed before it was taken");

  ArHolds: assert property (@(posedge clk_i) disable iff (!rst_ni)
      s_axi_arvalid_i && !s_axi_arready_o |=> s_axi_arvalid_i && $stable(s_axi_araddr_i))
      else $error("AR changed before it was taken");
`endif

endmodule
