/// Proof of spacc_axi_lite: the AXI4-Lite rules, the arguments byte for byte, the rules of
/// ap_ctrl_hs, and the counters' high words.
///
/// A master that keeps to AXI4-Lite and a card that says done only while it runs are
/// assumed; all else is free, resets too. Everything expected is worked out from the bus.
module axi_lite_proof (
  input logic        clk_i,
  input logic        rst_ni,
  input logic        awvalid_i, wvalid_i, bready_i, arvalid_i, rready_i,
  input logic [11:0] awaddr_i, araddr_i,
  input logic [31:0] wdata_i,
  input logic [3:0]  wstrb_i,
  input logic        done_i,
  input logic [31:0] error_code_i, error_pc_i,
  input logic [63:0] error_address_i,
  input logic [63:0] counter_i // the one that is looked at; all others are its opposite
);

  logic        awready, wready, bvalid, arready, rvalid, interrupt, start;
  logic [1:0]  bresp, rresp;
  logic [31:0] rdata;
  logic [63:0] program_ptr, weights_ptr, input_ptr, output_ptr;
  logic [31:0] program_bytes, weights_bytes, input_bytes, output_bytes, watchdog_cycles;
  logic [64*spacc_card_pkg::Counters-1:0] counters;

  spacc_axi_lite i_dut (
    .clk_i, .rst_ni,
    .s_axi_awvalid_i (awvalid_i), .s_axi_awready_o (awready), .s_axi_awaddr_i (awaddr_i),
    .s_axi_wvalid_i (wvalid_i), .s_axi_wready_o (wready), .s_axi_wdata_i (wdata_i),
    .s_axi_wstrb_i (wstrb_i), .s_axi_bvalid_o (bvalid), .s_axi_bready_i (bready_i),
    .s_axi_bresp_o (bresp), .s_axi_arvalid_i (arvalid_i), .s_axi_arready_o (arready),
    .s_axi_araddr_i (araddr_i), .s_axi_rvalid_o (rvalid), .s_axi_rready_i (rready_i),
    .s_axi_rdata_o (rdata), .s_axi_rresp_o (rresp),
    .interrupt_o (interrupt), .start_o (start), .done_i,
    .program_ptr_o (program_ptr), .weights_ptr_o (weights_ptr), .input_ptr_o (input_ptr),
    .output_ptr_o (output_ptr), .program_bytes_o (program_bytes),
    .weights_bytes_o (weights_bytes), .input_bytes_o (input_bytes),
    .output_bytes_o (output_bytes), .watchdog_cycles_o (watchdog_cycles),
    .error_code_i, .error_pc_i, .error_address_i, .counters_i (counters)
  );

  initial assume (!rst_ni);
  logic past_q;
  initial past_q = 1'b0;
  always_ff @(posedge clk_i) past_q <= rst_ni;

  // ------------------------------------------------------------------ the master holds
  logic        aw_wait_q, w_wait_q, ar_wait_q, b_wait_q, r_wait_q;
  logic [11:0] awaddr_q, araddr_q;
  logic [35:0] w_q;
  logic [31:0] rdata_q;

  always_ff @(posedge clk_i) begin
    aw_wait_q <= rst_ni && awvalid_i && !awready;
    w_wait_q  <= rst_ni && wvalid_i && !wready;
    ar_wait_q <= rst_ni && arvalid_i && !arready;
    b_wait_q  <= rst_ni && bvalid && !bready_i;
    r_wait_q  <= rst_ni && rvalid && !rready_i;
    awaddr_q  <= awaddr_i;
    araddr_q  <= araddr_i;
    w_q       <= {wdata_i, wstrb_i};
    rdata_q   <= rdata;
  end

  always @* if (rst_ni && past_q) begin
    if (aw_wait_q) assume (awvalid_i && awaddr_i == awaddr_q);
    if (w_wait_q)  assume (wvalid_i && {wdata_i, wstrb_i} == w_q);
    if (ar_wait_q) assume (arvalid_i && araddr_i == araddr_q);
  end

  // ------------------------------------------- a request waits until it takes effect
  logic        aw_got_q, w_got_q, ar_got_q; // accepted, answer not given yet
  logic [11:0] aw_addr_q, ar_addr_q;        // of a word
  logic [31:0] data_q;
  logic [3:0]  strb_q;
  logic        write, read;                 // it takes effect now, the answer comes next
  logic        wrote_q, did_read_q;
  logic [3:0]  b_owed_q, r_owed_q;          // answers that the master may expect

  assign write = aw_got_q && w_got_q && (!bvalid || bready_i);
  assign read  = ar_got_q && (!rvalid || rready_i);

  always_ff @(posedge clk_i) begin
    if (awvalid_i && awready) {aw_got_q, aw_addr_q} <= {1'b1, awaddr_i[11:2], 2'd0};
    else if (write)           aw_got_q <= 1'b0;
    if (wvalid_i && wready) {w_got_q, data_q, strb_q} <= {1'b1, wdata_i, wstrb_i};
    else if (write)         w_got_q <= 1'b0;
    if (arvalid_i && arready) {ar_got_q, ar_addr_q} <= {1'b1, araddr_i[11:2], 2'd0};
    else if (read)            ar_got_q <= 1'b0;
    wrote_q    <= write;
    did_read_q <= read;
    r_owed_q <= r_owed_q + 4'(arvalid_i && arready) - 4'(rvalid && rready_i);
    b_owed_q <= b_owed_q + 4'(awvalid_i && awready) - 4'(bvalid && bready_i);
    if (!rst_ni) {aw_got_q, w_got_q, ar_got_q, wrote_q, did_read_q, r_owed_q, b_owed_q} <= '0;
  end

  always @* if (rst_ni && past_q) begin
    // valid holds, the payload is stable, all answers are OKAY
    if (b_wait_q) assert (bvalid);
    if (r_wait_q) assert (rvalid && rdata == rdata_q);
    assert (bresp == 2'd0 && rresp == 2'd0);
    // one answer a request, and at once: the bound is one cycle behind both halves
    assert (bvalid == (wrote_q || b_wait_q));
    assert (rvalid == (did_read_q || r_wait_q));
    assert (b_owed_q == 4'(aw_got_q) + 4'(bvalid) && r_owed_q == 4'(ar_got_q) + 4'(rvalid));
    // a channel with nothing in hand takes the next request
    assert (awready == !aw_got_q && wready == !w_got_q && arready == !ar_got_q);
  end

  // --------------------------------------------------- one byte of one argument, any one
  (* anyconst *) logic [11:0] byte_addr;
  logic [11:0] word_addr;
  logic [1:0]  lane;
  logic        is_argument;
  logic [31:0] port;
  logic [7:0]  byte_q, port_byte;
  assign word_addr = {byte_addr[11:2], 2'd0};
  assign lane      = byte_addr[1:0];

  always @* begin
    is_argument = 1'b1;
    port = 32'd0;
    case (word_addr)
      spacc_card_pkg::RegProgramPtr:         port = program_ptr[31:0];
      spacc_card_pkg::RegProgramPtr + 12'd4: port = program_ptr[63:32];
      spacc_card_pkg::RegWeightsPtr:         port = weights_ptr[31:0];
      spacc_card_pkg::RegWeightsPtr + 12'd4: port = weights_ptr[63:32];
      spacc_card_pkg::RegInputPtr:           port = input_ptr[31:0];
      spacc_card_pkg::RegInputPtr + 12'd4:   port = input_ptr[63:32];
      spacc_card_pkg::RegOutputPtr:          port = output_ptr[31:0];
      spacc_card_pkg::RegOutputPtr + 12'd4:  port = output_ptr[63:32];
      spacc_card_pkg::RegProgramBytes:       port = program_bytes;
      spacc_card_pkg::RegWeightsBytes:       port = weights_bytes;
      spacc_card_pkg::RegInputBytes:         port = input_bytes;
      spacc_card_pkg::RegOutputBytes:        port = output_bytes;
      spacc_card_pkg::RegWatchdogCycles:     port = watchdog_cycles;
      default: is_argument = 1'b0;
    endcase
  end
  assign port_byte = port[8 * lane +: 8];

  logic [7:0] byte_reset;
  assign byte_reset = word_addr == spacc_card_pkg::RegWatchdogCycles
                      ? spacc_card_pkg::ResetWatchdogCycles[8 * lane +: 8] : 8'd0;

  always_ff @(posedge clk_i) begin
    if (write && aw_addr_q == word_addr && strb_q[lane]) byte_q <= data_q[8 * lane +: 8];
    if (!rst_ni) byte_q <= byte_reset;
  end

  // ---------------------------------------------------------------------- ap_ctrl_hs
  logic       start_q, running_q, done_q, ready_q, auto_q, gier_q;
  logic [1:0] ier_q, isr_q;
  logic       write_low; // a write of the low byte
  assign write_low = write && strb_q[0];

  always_ff @(posedge clk_i) begin
    if (read && ar_addr_q == spacc_card_pkg::RegApCtrl) {done_q, ready_q} <= 2'b00;
    if (start) running_q <= 1'b1;
    if (done_i) begin
      {done_q, ready_q, running_q} <= 3'b110;
      start_q <= auto_q;
    end
    if (write_low && aw_addr_q == spacc_card_pkg::RegApCtrl) begin
      auto_q <= data_q[7];
      if (data_q[0]) start_q <= 1'b1;
    end
    if (write_low && aw_addr_q == spacc_card_pkg::RegGier)  gier_q <= data_q[0];
    if (write_low && aw_addr_q == spacc_card_pkg::RegIpIer) ier_q  <= data_q[1:0];
    for (int i = 0; i < 2; i++)
      if (done_i && ier_q[i]) isr_q[i] <= 1'b1;
      else if (write_low && aw_addr_q == spacc_card_pkg::RegIpIsr && data_q[i])
        isr_q[i] <= !isr_q[i];
    if (!rst_ni) {start_q, running_q, done_q, ready_q, auto_q, gier_q, ier_q, isr_q} <= '0;
  end

  always @* if (rst_ni && done_i) assume (running_q);

  // ------------------------------------------------- what a read gives, in the cycle after
  logic [31:0] status_q, code_q, pc_q;
  logic [7:0]  argument_q;
  logic [63:0] error_addr_q, counter_q;
  logic [11:0] read_addr_q;
  logic [31:0] high_q, high_before_q; // high word kept by the last read of a low one
  logic        kept_q, kept_before_q;
  (* anyconst *) logic [3:0] number;  // of a counter
  logic        low_read;
  always @* assume (number < 4'(spacc_card_pkg::Counters));
  for (genvar i = 0; i < spacc_card_pkg::Counters; i++) begin : g_counter
    assign counters[64*i +: 64] = number == 4'(i) ? counter_i : ~counter_i;
  end
  assign low_read = read && ar_addr_q == spacc_card_pkg::RegCounters + 12'(8 * number);

  // The kept word is followed only while no other counter's low word is read.
  always_ff @(posedge clk_i) begin
    status_q     <= {24'd0, auto_q, 3'd0, ready_q, !start_q && !running_q, done_q, start_q};
    argument_q   <= byte_q;
    code_q       <= error_code_i;
    pc_q         <= error_pc_i;
    error_addr_q <= error_address_i;
    counter_q    <= counter_i;
    read_addr_q  <= ar_addr_q;
    {kept_before_q, high_before_q} <= {kept_q, high_q};
    if (low_read) {kept_q, high_q} <= {1'b1, counter_i[63:32]};
    else if (read && ar_addr_q >= spacc_card_pkg::RegCounters && !ar_addr_q[2]) kept_q <= 1'b0;
    if (!rst_ni) {kept_q, kept_before_q} <= '0;
  end

  logic [1:0] enable_q, event_q;
  logic       global_q;
  always_ff @(posedge clk_i) {enable_q, event_q, global_q} <= {ier_q, isr_q, gier_q};

  localparam logic [11:0] End = spacc_card_pkg::RegCounters + 12'(8 * spacc_card_pkg::Counters);

  always @* if (rst_ni && past_q) begin
    if (is_argument) assert (port_byte == byte_q);
    assert (start == (start_q && !running_q));
    assert (interrupt == (gier_q && isr_q != 2'd0));
    if (did_read_q) begin
      if (read_addr_q == word_addr && is_argument)
        assert (rdata[8 * lane +: 8] == argument_q);
      if (read_addr_q == spacc_card_pkg::RegApCtrl) assert (rdata == status_q);
      if (read_addr_q == spacc_card_pkg::RegGier)  assert (rdata == {31'd0, global_q});
      if (read_addr_q == spacc_card_pkg::RegIpIer) assert (rdata == {30'd0, enable_q});
      if (read_addr_q == spacc_card_pkg::RegIpIsr) assert (rdata == {30'd0, event_q});
      if (read_addr_q == spacc_card_pkg::RegIdentity)
        assert (rdata == spacc_card_pkg::IdentityMagic);
      if (read_addr_q == spacc_card_pkg::RegVersion)
        assert (rdata == spacc_card_pkg::IdentityVersion);
      if (read_addr_q == spacc_card_pkg::RegErrorCode) assert (rdata == code_q);
      if (read_addr_q == spacc_card_pkg::RegErrorPc)   assert (rdata == pc_q);
      if (read_addr_q == spacc_card_pkg::RegErrorAddress)
        assert (rdata == error_addr_q[31:0]);
      if (read_addr_q == spacc_card_pkg::RegErrorAddress + 12'd4)
        assert (rdata == error_addr_q[63:32]);
      if (read_addr_q >= 12'h200) assert (rdata == 32'd0); // nothing lives there
      if (read_addr_q < End) begin
        if (read_addr_q == spacc_card_pkg::RegCounters + 12'(8 * number))
          assert (rdata == counter_q[31:0]);
        if (kept_before_q && read_addr_q >= spacc_card_pkg::RegCounters && read_addr_q[2])
          assert (rdata == high_before_q);
      end
    end
  end

  // ap_ctrl_hs once more, as rules instead of a model.
  logic started_q, asked_q;
  always_ff @(posedge clk_i) begin
    started_q <= start;
    // A run may begin: the host asked for it, not in the middle of one, or the last one
    // ended with auto-restart.
    if (start) asked_q <= 1'b0;
    if (done_i && auto_q) asked_q <= 1'b1;
    if (write_low && aw_addr_q == spacc_card_pkg::RegApCtrl && data_q[0] &&
        (done_i || !(start || running_q))) asked_q <= 1'b1;
    if (!rst_ni) {started_q, asked_q} <= '0;
  end

  always @* if (rst_ni && past_q) begin
    if (start) assert (asked_q && !running_q && !started_q);
    if (started_q) assert (running_q);
    assert (start == asked_q); // and no request is forgotten
  end

  // ---------------------------------------------------------------------------- covers
  always @* if (rst_ni && past_q) begin
    cover (did_read_q && read_addr_q == spacc_card_pkg::RegApCtrl && rdata[3:0] == 4'b1110);
    cover (start && auto_q && done_q && interrupt);
    cover (did_read_q && is_argument && read_addr_q == word_addr && lane == 2'd3 &&
           rdata[31:24] == 8'ha5);
    cover (did_read_q && number == 4'd5 && kept_before_q &&
           read_addr_q == spacc_card_pkg::RegCounters + 12'd44 && rdata != counter_q[63:32]);
    cover (b_wait_q && aw_got_q && w_got_q);
    cover (r_wait_q && ar_got_q && ar_wait_q);
  end

  // ----------------------------------------------- for induction: the same state inside
  (* hierconn *) logic \i_dut.aw_held_q , \i_dut.w_held_q , \i_dut.ar_held_q ;
  (* hierconn *) logic \i_dut.start_q , \i_dut.running_q , \i_dut.done_q , \i_dut.ready_q ;
  (* hierconn *) logic \i_dut.auto_q , \i_dut.gier_q ;
  (* hierconn *) logic [1:0] \i_dut.ier_q , \i_dut.isr_q ;
  (* hierconn *) logic [11:0] \i_dut.aw_q , \i_dut.ar_q ;
  (* hierconn *) logic [31:0] \i_dut.wdata_q , \i_dut.high_q ;
  (* hierconn *) logic [3:0] \i_dut.wstrb_q ;

  always @* if (rst_ni && past_q) begin
    assert ({\i_dut.aw_held_q , \i_dut.w_held_q , \i_dut.ar_held_q } ==
            {aw_got_q, w_got_q, ar_got_q});
    assert ({\i_dut.start_q , \i_dut.running_q , \i_dut.done_q , \i_dut.ready_q ,
             \i_dut.auto_q , \i_dut.gier_q , \i_dut.ier_q , \i_dut.isr_q } ==
            {start_q, running_q, done_q, ready_q, auto_q, gier_q, ier_q, isr_q});
    if (aw_got_q) assert (\i_dut.aw_q == aw_addr_q);
    if (w_got_q)  assert ({\i_dut.wdata_q , \i_dut.wstrb_q } == {data_q, strb_q});
    if (ar_got_q) assert (\i_dut.ar_q == ar_addr_q);
    if (kept_q)   assert (\i_dut.high_q == high_q);
  end

endmodule
