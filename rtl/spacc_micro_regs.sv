/// AXI4-Lite in front of spacc_micro's RAM of registers, and the control words of ap_ctrl_hs
/// (without auto-restart). Whole words; those from 0x100 on are not written. The core's accesses
/// to the RAM come first.
module spacc_micro_regs (
  input  logic        clk_i,
  input  logic        rst_ni,         // synchronous, active low
  output logic        interrupt_o,
  input  logic        s_awvalid_i,
  output logic        s_awready_o,
  input  logic [11:0] s_awaddr_i,
  input  logic        s_wvalid_i,
  output logic        s_wready_o,
  input  logic [31:0] s_wdata_i,
  output logic        s_bvalid_o,
  input  logic        s_bready_i,
  input  logic        s_arvalid_i,
  output logic        s_arready_o,
  input  logic [11:0] s_araddr_i,
  output logic        s_rvalid_o,
  input  logic        s_rready_i,
  output logic [31:0] s_rdata_o,
  // core
  output logic        start_o,        // pulse
  input  logic        done_i,         // pulse
  input  logic        core_reads_i,
  input  logic        core_writes_i,
  input  logic [7:0]  core_index_i,
  input  logic [15:0] core_data_i,
  // the RAM
  output logic [7:0]  read_index_o,
  input  logic [15:0] read_data_i,    // in the next cycle
  output logic        write_o,
  output logic [7:0]  write_index_o,
  output logic [15:0] write_data_o
);

  // ------------------------------------------------------------ writes
  logic        aw_held_q, w_held_q, second_q, host_writes, write_end, in_ram, control;
  logic [9:0]  aw_q;         // word
  logic [31:0] w_q;

  assign s_awready_o = !aw_held_q;
  assign s_wready_o  = !w_held_q;
  assign host_writes = aw_held_q && w_held_q && !s_bvalid_o;
  assign in_ram      = aw_q[9:6] == 4'd0;
  assign write_end   = host_writes && second_q && !core_writes_i;
  assign control     = write_end && aw_q[9:2] == 8'd0;

  assign write_o       = core_writes_i || (host_writes && in_ram);
  assign write_index_o = core_writes_i ? core_index_i : {aw_q[6:0], second_q};
  assign write_data_o  = core_writes_i ? core_data_i : second_q ? w_q[31:16] : w_q[15:0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_held_q  <= 1'b0;
      w_held_q   <= 1'b0;
      second_q   <= 1'b0;
      s_bvalid_o <= 1'b0;
    end else begin
      if (s_awvalid_i) aw_held_q <= 1'b1;
      if (s_wvalid_i)  w_held_q  <= 1'b1;
      if (host_writes && !core_writes_i) second_q <= !second_q;
      if (write_end) begin
        aw_held_q  <= 1'b0;
        w_held_q   <= 1'b0;
        s_bvalid_o <= 1'b1;
      end
      if (s_bready_i && s_bvalid_o) s_bvalid_o <= 1'b0;
    end
    if (s_awvalid_i && s_awready_o) aw_q <= s_awaddr_i[11:2];
    if (s_wvalid_i && s_wready_o)   w_q  <= s_wdata_i;
  end

  // ------------------------------------------------------------ reads
  typedef enum logic [1:0] {None, Low, High, Answer} read_e;
  read_e       read_q;
  logic [9:0]  ar_q;
  logic        ar_control, answered;
  logic [15:0] control_data;

  assign s_arready_o  = read_q == None && !s_rvalid_o;
  assign ar_control   = ar_q[9:2] == 8'd0;
  // Done and ready clear when they were seen: one that rises behind the sample stays.
  assign answered     = read_q == Answer && ar_q == 10'd0 && s_rdata_o[1];
  assign read_index_o = core_reads_i ? core_index_i : {ar_q[6:0], read_q == High};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_q     <= None;
      s_rvalid_o <= 1'b0;
    end else begin
      case (read_q)
        None:    if (s_arvalid_i && s_arready_o) read_q <= Low;
        Low:     if (!core_reads_i) read_q <= High;
        High:    read_q <= core_reads_i ? Low : Answer;
        default: read_q <= None;
      endcase
      if (read_q == Answer)              s_rvalid_o <= 1'b1;
      else if (s_rvalid_o && s_rready_i) s_rvalid_o <= 1'b0;
    end
    if (s_arvalid_i && s_arready_o) ar_q <= s_araddr_i[11:2];
    if (read_q == High)   s_rdata_o[15:0] <= ar_control ? control_data : ar_q[9:7] != 3'd0 ? 16'd0 : read_data_i;
    if (read_q == Answer) s_rdata_o[31:16] <= ar_control || ar_q[9:7] != 3'd0 ? 16'd0 : read_data_i;
  end

  // ------------------------------------------------------------ ap_ctrl_hs
  logic       running_q, start_q, done_q, gier_q;
  logic [1:0] ier_q, isr_q;

  assign start_o     = start_q && !running_q;
  assign interrupt_o = gier_q && isr_q != 2'd0;
  always_comb begin
    case (ar_q[1:0])
      2'd0:    control_data = {12'd0, done_q, !start_q && !running_q, done_q, start_q};
      2'd1:    control_data = {15'd0, gier_q};
      2'd2:    control_data = {14'd0, ier_q};
      default: control_data = {14'd0, isr_q};
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      running_q <= 1'b0;
      start_q   <= 1'b0;
      done_q    <= 1'b0;
      gier_q    <= 1'b0;
      ier_q     <= 2'd0;
      isr_q     <= 2'd0;
    end else begin
      if (start_o)     running_q <= 1'b1;
      else if (done_i) running_q <= 1'b0;
      if (control && aw_q[1:0] == 2'd0 && w_q[0]) start_q <= 1'b1;
      else if (done_i)                            start_q <= 1'b0;
      if (done_i)        done_q <= 1'b1;
      else if (answered) done_q <= 1'b0;
      if (control && aw_q[1:0] == 2'd1) gier_q <= w_q[0];
      if (control && aw_q[1:0] == 2'd2) ier_q  <= w_q[1:0];
      isr_q <= (isr_q ^ (control && aw_q[1:0] == 2'd3 ? w_q[1:0] : 2'd0)) | (done_i ? ier_q : 2'd0);
    end
  end

  logic unused_bits; // whole words
  assign unused_bits = ^{s_awaddr_i[1:0], s_araddr_i[1:0]};

endmodule
